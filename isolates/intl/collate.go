package intl

import "golang.org/x/text/collate"

// A Collator compares texts as people of a locale sort them. One goroutine may use it at a time.
type Collator struct{ c *collate.Collator }

// NewCollator makes a Collator. sensitivity is "base", "accent", "case" or "variant"; numeric sorts 2 before 10.
func NewCollator(l *Locale, sensitivity string, numeric bool) *Collator {
	var options []collate.Option
	switch sensitivity {
	case "base":
		options = append(options, collate.Loose)
	case "accent":
		options = append(options, collate.IgnoreCase)
	case "case":
		options = append(options, collate.IgnoreDiacritics)
	}
	if numeric {
		options = append(options, collate.Numeric)
	}
	return &Collator{collate.New(l.tag, options...)}
}

// Compare is -1, 0 or 1.
func (c *Collator) Compare(a, b string) int { return c.c.CompareString(a, b) }
