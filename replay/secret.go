package replay

import (
	"encoding/json"

	"runlog/schema"
	"runlog/value"
)

// hidden stands where the value of an environment variable would: whoever may read a history need not know the keys it was made with.
const hidden = "(hidden)"

// isSecret says whether a document holds an environment variable that somebody has set. body may be nil.
func isSecret(id value.ID, body value.Encoded) bool {
	if id.Table != schema.EnvTable || body == nil {
		return false
	}
	name, _ := body.Field("name")
	return name.Kind() == value.KindString && name.Str() != schema.CloudURLVar && name.Str() != schema.SiteURLVar
}

// hideFields hides what changed of a secret.
func hideFields(fields []FieldChange) {
	text, _ := json.Marshal(hidden) // a string cannot fail
	for i := range fields {
		f := &fields[i]
		if f.Field != "value" {
			continue
		}
		if f.Before != nil {
			f.Before = text
		}
		if f.After != nil {
			f.After = text
		}
	}
}

// shown is a document as it may be shown.
func shown(id value.ID, body value.Encoded) value.Encoded {
	if !isSecret(id, body) {
		return body
	}
	out, err := withField(body, "value", value.OfString(hidden))
	if err != nil {
		return value.Encode(value.OfString(hidden))
	}
	return out
}
