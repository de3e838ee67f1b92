package publish

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// A login is a SASL mechanism that knows whether its last attempt came to an end. Some brokers answer wrong credentials by
// closing the connection, which by itself could be anything.
type login struct {
	sasl.Mechanism
	pending atomic.Bool
}

func (s *SASL) login() (*login, error) {
	var m sasl.Mechanism
	var err error
	switch s.Mechanism {
	case SASLPlain:
		m = plain.Mechanism{Username: s.User, Password: s.Password}
	case SASLScramSHA256:
		m, err = scram.Mechanism(scram.SHA256, s.User, s.Password)
	case SASLScramSHA512:
		m, err = scram.Mechanism(scram.SHA512, s.User, s.Password)
	default:
		return nil, nil
	}
	return &login{Mechanism: m}, err
}

// Start begins an attempt.
func (l *login) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	l.pending.Store(true)
	machine, first, err := l.Mechanism.Start(ctx)
	return &attempt{StateMachine: machine, of: l}, first, err
}

// refused reports whether an error means that the broker did not accept the credentials.
func (l *login) refused(err error) bool {
	return l != nil && l.pending.Load() && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
}

type attempt struct {
	sasl.StateMachine
	of *login
}

func (a *attempt) Next(ctx context.Context, challenge []byte) (done bool, response []byte, err error) {
	done, response, err = a.StateMachine.Next(ctx, challenge)
	if done && err == nil {
		a.of.pending.Store(false)
	}
	return done, response, err
}
