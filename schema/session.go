package schema

import "runlog/value"

// SessionRequestsTable holds the answers of mutations that clients may ask for again.
const SessionRequestsTable value.TableNumber = 530
