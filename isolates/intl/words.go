package intl

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/feature/plural"
)

// PluralCategory is the category of a number, as f would show it, by the rules of "cardinal" or "ordinal".
func (f *Number) PluralCategory(x float64, ordinal bool) string {
	d := f.rounded(ofFloat(x))
	if d.nan || d.inf {
		return "other"
	}
	rules := plural.Cardinal
	if ordinal {
		rules = plural.Ordinal
	}
	return f.locale.category(rules, d, f.leastFraction(d))
}

// PluralCategories are those that a locale tells apart.
func PluralCategories(l *Locale, ordinal bool) []string {
	f, _ := NewNumber(l, NumberOptions{})
	seen := map[string]bool{"other": true}
	for n := range 1200 {
		seen[f.PluralCategory(float64(n), ordinal)] = true
	}
	if !ordinal {
		for _, x := range []float64{0.1, 0.5, 1.1, 1.5, 1e6, 2e6} {
			seen[f.PluralCategory(x, false)] = true
		}
	}
	return slices.DeleteFunc([]string{"few", "many", "one", "two", "zero", "other"}, func(c string) bool { return !seen[c] })
}

// Relative formats distances in time. style is "long", "short" or "narrow"; auto prefers words such as yesterday.
func Relative(l *Locale, style string, auto bool, x float64, unit string) ([]Part, error) {
	unit = strings.TrimSuffix(unit, "s")
	key := unit
	if style == "short" || style == "narrow" {
		key += "-" + style
	}
	texts, ok := l.data.Relative[key]
	if !ok {
		return nil, &RangeError{"Invalid unit argument for format() '" + unit + "'"}
	}
	d := ofFloat(x)
	if d.nan || d.inf {
		return nil, &RangeError{"The value must be finite"}
	}
	if auto {
		number := strconv.FormatFloat(x+0, 'f', -1, 64) // + 0 makes 0 of −0
		if t, ok := texts[number]; ok && t.fixed != "" {
			return []Part{{"literal", t.fixed}}, nil
		}
	}
	direction := "future"
	if d.neg {
		direction, d.neg = "past", false
	}
	f := mustNumber(l, NumberOptions{})
	pattern := texts[direction].patterns.of(f.category(f.rounded(d)))
	before, after, _ := strings.Cut(pattern, "{0}")
	var out []Part
	if before != "" {
		out = append(out, Part{"literal", before})
	}
	out = append(out, f.format(d)...)
	if after != "" {
		out = append(out, Part{"literal", after})
	}
	return out, nil
}

// mustNumber is NewNumber for options that are right.
func mustNumber(l *Locale, o NumberOptions) *Number {
	f, err := NewNumber(l, o)
	if err != nil {
		panic(err)
	}
	return f
}

// List joins items. kind is "conjunction", "disjunction" or "unit", style "long", "short" or "narrow".
func List(l *Locale, kind, style string, items []string) []Part {
	name := map[string]string{"conjunction": "standard", "disjunction": "or", "unit": "unit"}[kind]
	if style != "long" {
		name += "-" + style
	}
	texts := l.data.Lists[name]
	switch len(items) {
	case 0:
		return []Part{}
	case 1:
		return []Part{{"element", items[0]}}
	case 2:
		return joined(texts["2"], []Part{{"element", items[0]}}, items[1])
	}
	out := joined(texts["start"], []Part{{"element", items[0]}}, items[1])
	for i, item := range items[2:] {
		form := texts["middle"]
		if i == len(items)-3 {
			form = texts["end"]
		}
		out = joined(form, out, item)
	}
	return out
}

// joined is a pattern such as "{0} and {1}" with what there is and one more.
func joined(form string, before []Part, item string) []Part {
	head, rest, _ := strings.Cut(form, "{0}")
	between, tail, _ := strings.Cut(rest, "{1}")
	var out []Part
	literal := func(text string) {
		if text != "" {
			out = append(out, Part{"literal", text})
		}
	}
	literal(head)
	out = append(out, before...)
	literal(between)
	out = append(out, Part{"element", item})
	literal(tail)
	return out
}
