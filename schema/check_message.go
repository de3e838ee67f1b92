package schema

import (
	"strconv"
	"strings"

	"runlog/value"
)

// The methods here write c.err, unless a union is only trying, and return false: the value is refused.

func (c *checker) mismatch(v *Validator, e value.Encoded, at *place) bool {
	if c.quiet > 0 {
		return false
	}
	return c.lines(at, "Value does not match validator.", "Value: "+c.display(e, at), v)
}

func (c *checker) missing(v *Validator, e value.Encoded, at *place, field string) bool {
	if c.quiet > 0 {
		return false
	}
	return c.lines(at, "Object is missing the required field `"+field+
		"`. Consider wrapping the field validator in `v.optional(...)` if this is expected.", "Object: "+c.display(e, at), v)
}

func (c *checker) extra(v *Validator, e value.Encoded, at *place, field string) bool {
	if c.quiet > 0 {
		return false
	}
	return c.lines(at, "Object contains extra field `"+field+"` that is not in the validator.", "Object: "+c.display(e, at), v)
}

func (c *checker) badLiteral(v *Validator, e value.Encoded, at *place) bool {
	if c.quiet > 0 {
		return false
	}
	return c.line(at, "`"+c.display(e, at)+"` does not match literal validator `"+v.String()+"`.")
}

func (c *checker) wrongTable(v *Validator, e value.Encoded, at *place, found string) bool {
	if c.quiet > 0 {
		return false
	}
	return c.line(at, `Found ID "`+e.Str()+"\" from table `"+found+
		"`, which does not match the table name in validator `"+v.String()+"`.")
}

func (c *checker) systemTable(v *Validator, e value.Encoded, at *place) bool {
	if c.quiet > 0 {
		return false
	}
	return c.line(at, `Found ID "`+e.Str()+
		"\" from a system table, which does not match the table name in validator `"+v.String()+"`.")
}

// lines writes the form of several lines. The line for the place stays, empty, where there is nothing to say.
func (c *checker) lines(at *place, what, about string, v *Validator) bool {
	path := at.String()
	c.err = &ValidationError{
		Message: what + "\n" + context(path) + "\n" + about + "\nValidator: " + v.String(),
		Path:    path,
	}
	return false
}

// line writes the form of one line, to which the place is added without a space.
func (c *checker) line(at *place, what string) bool {
	path := at.String()
	c.err = &ValidationError{Message: what + context(path), Path: path}
	return false
}

func context(path string) string {
	if path == "" {
		return ""
	}
	return "Path: " + path
}

// display shows a value as messages do; of a document only what the developer put there.
func (c *checker) display(e value.Encoded, at *place) string {
	v, err := e.Decode()
	if err != nil {
		return err.Error()
	}
	if c.document && at == nil && v.Kind() == value.KindObject {
		v = withoutSystemFields(v)
	}
	return v.String()
}

func withoutSystemFields(doc value.Value) value.Value {
	var kept []value.Field
	for _, f := range doc.Fields() {
		if !strings.HasPrefix(f.Name, "_") {
			kept = append(kept, f)
		}
	}
	return value.OfObject(kept)
}

// String spells the place as in JavaScript: ".a[0].b", with ".keys()" and ".values()" for records.
func (p *place) String() string {
	if p == nil {
		return ""
	}
	before := p.parent.String()
	switch p.part {
	case partIndex:
		return before + "[" + strconv.Itoa(p.index) + "]"
	case partKeys:
		return before + ".keys()"
	case partValues:
		return before + ".values()"
	default:
		return before + "." + p.name
	}
}
