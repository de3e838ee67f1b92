package intl

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// DefaultLocale is used where none is asked for, or none of those that are is known.
const DefaultLocale = "en-US"

// A Locale is one that was chosen.
type Locale struct {
	// Name is its tag without extensions, such as "de-AT".
	Name string
	// HourCycle is that of its -u-hc- extension; "" if there is none.
	HourCycle string
	tag       language.Tag
	data      *data
}

// latinAmerica are the countries whose Spanish is es-419.
var latinAmerica = strings.Fields("AR BO BR BZ CL CO CR CU DO EC GT HN MX NI PA PE PR PY SV US UY VE")

// Choose returns the first of the tags that is known, or the default. A text that is no tag is a *RangeError.
func Choose(tags []string) (*Locale, error) {
	var chosen *Locale
	for _, text := range tags {
		tag, err := parseTag(text)
		if err != nil {
			return nil, err
		}
		if l := localeOf(tag); l != nil && chosen == nil {
			chosen = l
		}
	}
	if chosen == nil {
		chosen = localeOf(language.MustParse(DefaultLocale))
	}
	return chosen, nil
}

// localeOf is the locale of a tag; nil if its language is not known.
func localeOf(tag language.Tag) *Locale {
	if tag == language.Und {
		return nil
	}
	hours, _ := tag.Extension('u')
	plain, _ := tag.SetTypeForKey("hc", "")
	name := strings.SplitN(plain.String(), "-u-", 2)[0]
	file := fileOf(tag, name)
	if file == "" {
		return nil
	}
	l := &Locale{Name: name, tag: language.Make(name), data: load(file)}
	if _, hc, ok := strings.Cut(hours.String(), "hc-"); ok && len(hc) >= 3 && slices.Contains([]string{"h11", "h12", "h23", "h24"}, hc[:3]) {
		l.HourCycle = hc[:3]
	}
	return l
}

// fileOf is the name of the data for a tag, as near as there is.
func fileOf(tag language.Tag, name string) string {
	base, _ := tag.Base()
	region, certain := tag.Region()
	if base.String() == "no" {
		name = "nb"
	}
	switch {
	case has(name):
		return name
	case base.String() == "zh":
		if script, _ := tag.Script(); script.String() == "Hant" {
			return "zh-Hant"
		}
	case has(base.String() + "-" + region.String()):
		return base.String() + "-" + region.String()
	case base.String() == "es" && certain == language.Exact && slices.Contains(latinAmerica, region.String()):
		return "es-419"
	case base.String() == "en" && certain == language.Exact && region.String() != "US":
		return "en-001"
	}
	if name == "nb" || has(base.String()) {
		return strings.Replace(base.String(), "no", "nb", 1)
	}
	return ""
}

// Canonical returns the tags in their canonical form, each once.
func Canonical(tags []string) ([]string, error) {
	out := []string{}
	for _, text := range tags {
		tag, err := parseTag(text)
		if err != nil {
			return nil, err
		}
		name := tag.String()
		if tag == language.Und {
			name = strings.ToLower(text)
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

// parseTag reads a tag. One that is well-formed and of a language that nobody knows is language.Und.
func parseTag(text string) (language.Tag, error) {
	tag, err := language.Parse(text)
	var unknown language.ValueError
	switch {
	case errors.As(err, &unknown):
		return language.Und, nil
	case err != nil, strings.Contains(text, "_"):
		return tag, &RangeError{"Incorrect locale information provided"}
	}
	return tag, nil
}

// Supported returns those of the tags whose language is known.
func Supported(tags []string) ([]string, error) {
	names, err := Canonical(tags)
	return slices.DeleteFunc(names, func(name string) bool {
		tag, err := parseTag(name)
		return err != nil || localeOf(tag) == nil
	}), err
}

// category is the plural category of a number as it is shown.
func (l *Locale) category(rules *plural.Rules, d decimal, shownFraction int) string {
	i, f := d.parts(shownFraction)
	trimmed := strings.TrimRight(f, "0")
	form := rules.MatchPlural(l.tag, int(mod(i)), len(f), len(trimmed), int(mod(f)), int(mod(trimmed)))
	return [...]string{plural.Other: "other", plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many"}[form]
}

// mod is the number that digits write, or for very long ones something with the same ending, which is all that plural rules look at.
func mod(digits string) (n int64) {
	const most = 9
	if len(digits) > most {
		digits = "1" + digits[len(digits)-most+1:]
	}
	for _, c := range digits {
		n = 10*n + int64(c-'0')
	}
	return n
}
