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

// example picks a public function that can be called with made-up arguments. What needs none is likelier to have an
// answer; queries come before the rest, then it goes by name.
func example(d *schema.Deployment) (best *schema.Function, args string) {
	if d == nil {
		return nil, ""
	}
	for _, f := range d.Functions {
		made, ok := sampleArgs(f.Args)
		if !ok || f.Visibility != schema.Public || f.Kind == schema.HTTP {
			continue
		}
		text := string(value.AppendJSON(nil, made, value.FormatEncoded))
		if best == nil || before(f, text, best, args) {
			best, args = f, text
		}
	}
	return best, plainNumbers(args)
}

// before compares two functions and their arguments as examples.
func before(f *schema.Function, args string, best *schema.Function, bestArgs string) bool {
	if (args == "{}") != (bestArgs == "{}") {
		return args == "{}"
	}
	if f.Kind != best.Kind {
		return f.Kind < best.Kind
	}
	return f.Path.String() < best.Path.String()
}

// plainNumbers writes numbers as people do: 1, not 1.0.
func plainNumbers(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return string(plain)
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
