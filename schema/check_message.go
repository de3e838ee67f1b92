package schema

import (
	"slices"
	"strconv"
	"strings"

	"runlog/value"
)

// The methods here say why a value is refused, unless a union is only trying, and return false.

func (c *checker) mismatch(v *Validator, e value.Encoded) bool {
	if c.quiet > 0 {
		return false
	}
	return c.lines("Value does not match validator.", "Value: "+c.display(e), v)
}

func (c *checker) missing(v *Validator, e value.Encoded, field string) bool {
	if c.quiet > 0 {
		return false
	}
	return c.lines("Object is missing the required field `"+field+
		"`. Consider wrapping the field validator in `v.optional(...)` if this is expected.", "Object: "+c.display(e), v)
}

func (c *checker) extra(v *Validator, e value.Encoded, field string) bool {
	if c.quiet > 0 {
		return false
	}
	return c.lines("Object contains extra field `"+field+"` that is not in the validator.", "Object: "+c.display(e), v)
}

func (c *checker) badLiteral(v *Validator, e value.Encoded) bool {
	if c.quiet > 0 {
		return false
	}
	return c.line("`" + c.display(e) + "` does not match literal validator `" + v.String() + "`.")
}

func (c *checker) wrongTable(v *Validator, e value.Encoded, found string) bool {
	if c.quiet > 0 {
		return false
	}
	return c.line(`Found ID "` + e.Str() + "\" from table `" + found +
		"`, which does not match the table name in validator `" + v.String() + "`.")
}

func (c *checker) systemTable(v *Validator, e value.Encoded) bool {
	if c.quiet > 0 {
		return false
	}
	return c.line(`Found ID "` + e.Str() +
		"\" from a system table, which does not match the table name in validator `" + v.String() + "`.")
}

// lines is for texts of several lines.
func (c *checker) lines(what, about string, v *Validator) bool {
	c.complaint, c.details = what, about+"\nValidator: "+v.String()
	return false
}

// line is for texts of one line.
func (c *checker) line(what string) bool {
	c.complaint, c.details = what, ""
	return false
}

// refusal is the error. In texts of several lines the place has a line of its own, which stays, empty, where there is nothing to
// say; to those of one line it is added without a space.
func (c *checker) refusal() *ValidationError {
	path := pathString(c.path)
	message := c.complaint
	if c.details != "" {
		message += "\n"
	}
	if path != "" {
		message += "Path: " + path
	}
	if c.details != "" {
		message += "\n" + c.details
	}
	return &ValidationError{Message: message, Path: path}
}

// display shows a value as messages do; of a document only what the developer put there.
func (c *checker) display(e value.Encoded) string {
	v, err := e.Decode()
	if err != nil {
		return err.Error()
	}
	if c.atTopOfDocument() && v.Kind() == value.KindObject {
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

// pathString spells a place as in JavaScript: ".a[0].b", with ".keys()" and ".values()" for records. The innermost step is first.
func pathString(path []step) string {
	var b strings.Builder
	for _, s := range slices.Backward(path) {
		switch s.part {
		case partIndex:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case partKeys:
			b.WriteString(".keys()")
		case partValues:
			b.WriteString(".values()")
		default:
			b.WriteString("." + s.name)
		}
	}
	return b.String()
}
