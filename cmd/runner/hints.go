package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"runlog/schema"
	"runlog/value"
)

// hints are two lines to copy, each a call of one of the app's own functions; "" if there is none to show.
func (a *app) hints() string {
	f, args := example(a.engine.Committer.Visible().Catalog().Deployment())
	if f == nil {
		return ""
	}
	path := f.Path.Display()
	body, err := json.Marshal(map[string]any{"path": path, "args": json.RawMessage(args)})
	if err != nil {
		return ""
	}
	return fmt.Sprintf("try it:\n  curl %s/api/%s -H 'Content-Type: application/json' -d %s\n  %s run %s %s\n",
		a.url, strings.ToLower(f.Kind.String()), quote(string(body)), os.Args[0], path, quote(args))
}

// quote makes text one word of a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// example picks a public function that can be called with made-up arguments: queries first, then by name.
func example(d *schema.Deployment) (best *schema.Function, args string) {
	if d == nil {
		return nil, ""
	}
	for _, f := range d.Functions {
		if f.Visibility != schema.Public || f.Kind == schema.HTTP || best != nil && !before(f, best) {
			continue
		}
		if v, ok := sampleArgs(f.Args); ok {
			best, args = f, string(value.AppendJSON(nil, v, value.FormatEncoded))
		}
	}
	return best, args
}

func before(a, b *schema.Function) bool {
	if a.Kind != b.Kind {
		return a.Kind < b.Kind
	}
	return a.Path.String() < b.Path.String()
}

func sampleArgs(v *schema.Validator) (value.Value, bool) {
	if v == nil || v.Type() == schema.TypeAny {
		return value.OfObject(nil), true
	}
	return sample("", v)
}

// sample makes up a value that v accepts. An id cannot be made up.
func sample(name string, v *schema.Validator) (value.Value, bool) {
	switch v.Type() {
	case schema.TypeAny, schema.TypeString:
		return value.OfString(name), true
	case schema.TypeNull:
		return value.Null(), true
	case schema.TypeNumber:
		return value.OfFloat64(1), true
	case schema.TypeBigInt:
		return value.OfInt64(1), true
	case schema.TypeBoolean:
		return value.OfBool(true), true
	case schema.TypeLiteral:
		return v.Literal(), true
	case schema.TypeArray:
		return value.OfArray(nil), true
	case schema.TypeRecord:
		return value.OfObject(nil), true
	case schema.TypeObject:
		return sampleObject(v.Fields())
	case schema.TypeUnion:
		for _, m := range v.Members() {
			if made, ok := sample(name, m); ok {
				return made, true
			}
		}
	}
	return value.Value{}, false
}

func sampleObject(fields []schema.ObjectField) (value.Value, bool) {
	var made []value.Field
	for _, f := range fields {
		if f.Optional {
			continue
		}
		v, ok := sample(f.Name, f.Validator)
		if !ok {
			return value.Value{}, false
		}
		made = append(made, value.Field{Name: f.Name, Value: v})
	}
	return value.OfObject(made), true
}
