package isolates

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/dop251/goja"
	"github.com/hashicorp/golang-lru/v2"

	"runlog/isolates/intl"
)

// formattersKept is how many formatters are kept, over all isolates.
const formattersKept = 512

// formatters keep what Intl made of locales and options. A formatter may be used by any number of isolates at once.
type formatters struct {
	kept *lru.Cache[string, formatter]
}

func newFormatters() *formatters {
	// New fails only for a size that is not positive.
	kept, err := lru.New[string, formatter](formattersKept)
	if err != nil {
		panic(err)
	}
	return &formatters{kept}
}

// A formatter answers "resolved" with the options it uses as JSON, "text" and "parts" with a value formatted.
type formatter interface {
	resolved() any
	format(args []goja.Value) ([]intl.Part, error)
}

// get is the formatter of a kind for locales and options, both JSON.
func (f *formatters) get(kind, locales, options string) (formatter, error) {
	key := kind + "\x00" + locales + "\x00" + options
	if made, ok := f.kept.Get(key); ok {
		return made, nil
	}
	locale, err := chooseLocale(locales)
	if err != nil {
		return nil, err
	}
	made, err := newFormatter(kind, locale, options)
	if err == nil {
		f.kept.Add(key, made)
	}
	return made, err
}

func chooseLocale(locales string) (*intl.Locale, error) {
	var tags []string
	if err := json.Unmarshal([]byte(locales), &tags); err != nil {
		return nil, err
	}
	return intl.Choose(tags)
}

func newFormatter(kind string, l *intl.Locale, options string) (formatter, error) {
	read := func(to any) error { return json.Unmarshal([]byte(options), to) }
	switch kind {
	case "number", "plural:cardinal", "plural:ordinal":
		var o intl.NumberOptions
		if err := read(&o); err != nil {
			return nil, err
		}
		f, err := intl.NewNumber(l, o)
		if kind != "number" {
			return &pluralFormatter{l, f, kind[len("plural:"):]}, err
		}
		return &numberFormatter{l, f}, err
	case "date:default", "date:date", "date:time", "date:any":
		var o intl.DateOptions
		if err := read(&o); err != nil {
			return nil, err
		}
		f, err := intl.NewDate(l, o, kind[len("date:"):])
		return &dateFormatter{l, f}, err
	case "relative":
		f := &relativeFormatter{locale: l, Locale: l.Name, Style: "long", Numeric: "always", NumberingSystem: "latn"}
		return f, errors.Join(read(f), oneOf("style", f.Style, "long", "short", "narrow"), oneOf("numeric", f.Numeric, "always", "auto"))
	case "list":
		f := &listFormatter{locale: l, Locale: l.Name, Type: "conjunction", Style: "long"}
		return f, errors.Join(read(f), oneOf("type", f.Type, "conjunction", "disjunction", "unit"), oneOf("style", f.Style, "long", "short", "narrow"))
	case "collator":
		f := &collatorFormatter{Locale: l.Name, Usage: "sort", Sensitivity: "variant", CaseFirst: "false", Collation: "default"}
		if err := read(f); err != nil {
			return nil, err
		}
		f.collator = intl.NewCollator(l, f.Sensitivity, f.Numeric)
		return f, oneOf("sensitivity", f.Sensitivity, "base", "accent", "case", "variant")
	}
	return nil, fmt.Errorf("isolates: no formatter %q", kind)
}

func oneOf(option, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return &intl.RangeError{Message: fmt.Sprintf("Value %s out of range for options property %s", value, option)}
}

type numberFormatter struct {
	locale *intl.Locale
	*intl.Number
}

func (f *numberFormatter) resolved() any {
	o := f.Number.Resolved()
	return struct {
		Locale          string `json:"locale"`
		NumberingSystem string `json:"numberingSystem"`
		intl.NumberOptions
	}{f.locale.Name, "latn", o}
}

func (f *numberFormatter) format(args []goja.Value) ([]intl.Part, error) {
	if text, ok := args[0].(goja.String); ok {
		return f.Text(text.String()), nil
	}
	return f.Float(args[0].ToFloat()), nil
}

type pluralFormatter struct {
	locale *intl.Locale
	number *intl.Number
	kind   string
}

func (f *pluralFormatter) resolved() any {
	o := f.number.Resolved()
	return map[string]any{"locale": f.locale.Name, "type": f.kind, "minimumIntegerDigits": o.MinimumInteger, "minimumFractionDigits": o.MinimumFraction,
		"maximumFractionDigits": o.MaximumFraction, "pluralCategories": intl.PluralCategories(f.locale, f.kind == "ordinal")}
}

func (f *pluralFormatter) format(args []goja.Value) ([]intl.Part, error) {
	return []intl.Part{{Type: "literal", Value: f.number.PluralCategory(args[0].ToFloat(), f.kind == "ordinal")}}, nil
}

type dateFormatter struct {
	locale *intl.Locale
	*intl.Date
}

func (f *dateFormatter) resolved() any {
	return struct {
		Locale          string `json:"locale"`
		Calendar        string `json:"calendar"`
		NumberingSystem string `json:"numberingSystem"`
		intl.DateOptions
	}{f.locale.Name, "gregory", "latn", f.Date.Resolved()}
}

func (f *dateFormatter) format(args []goja.Value) ([]intl.Part, error) {
	return f.Format(args[0].ToFloat()), nil
}

type relativeFormatter struct {
	locale          *intl.Locale
	Locale          string `json:"locale"`
	Style           string `json:"style"`
	Numeric         string `json:"numeric"`
	NumberingSystem string `json:"numberingSystem"`
}

func (f *relativeFormatter) resolved() any { return f }

func (f *relativeFormatter) format(args []goja.Value) ([]intl.Part, error) {
	return intl.Relative(f.locale, f.Style, f.Numeric == "auto", args[0].ToFloat(), args[1].String())
}

type listFormatter struct {
	locale *intl.Locale
	Locale string `json:"locale"`
	Type   string `json:"type"`
	Style  string `json:"style"`
}

func (f *listFormatter) resolved() any { return f }

func (f *listFormatter) format(args []goja.Value) ([]intl.Part, error) {
	var items []string
	if err := json.Unmarshal([]byte(args[0].String()), &items); err != nil {
		return nil, err
	}
	return intl.List(f.locale, f.Type, f.Style, items), nil
}

type collatorFormatter struct {
	mu       sync.Mutex // of collator, which keeps buffers
	collator *intl.Collator

	Locale            string `json:"locale"`
	Usage             string `json:"usage"`
	Sensitivity       string `json:"sensitivity"`
	IgnorePunctuation bool   `json:"ignorePunctuation"`
	Collation         string `json:"collation"`
	Numeric           bool   `json:"numeric"`
	CaseFirst         string `json:"caseFirst"`
}

func (f *collatorFormatter) resolved() any { return f }

func (f *collatorFormatter) format([]goja.Value) ([]intl.Part, error) {
	return nil, errors.New("isolates: a collator formats nothing")
}

func (f *collatorFormatter) compare(a, b string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.collator.Compare(a, b)
}

// intl is intl(kind, what, locales, options, values…) for the shims.
func (is *isolate) intl(call goja.FunctionCall) goja.Value {
	out, err := is.intlAnswer(call)
	var refused *intl.RangeError
	switch {
	case errors.As(err, &refused):
		is.throwRange(refused.Message)
	case err != nil:
		is.throw(err.Error())
	}
	return out
}

func (is *isolate) intlAnswer(call goja.FunctionCall) (goja.Value, error) {
	kind, what, locales, options := arg(call, 0).String(), arg(call, 1).String(), arg(call, 2).String(), arg(call, 3).String()
	var tags []string
	switch what {
	case "canonical", "supported":
		if err := json.Unmarshal([]byte(locales), &tags); err != nil {
			return nil, err
		}
		list := intl.Canonical
		if what == "supported" {
			list = intl.Supported
		}
		names, err := list(tags)
		return is.jsonText(names), err
	}
	f, err := is.pool.formatters.get(kind, locales, options)
	if err != nil {
		return nil, err
	}
	switch what {
	case "resolved":
		return is.jsonText(f.resolved()), nil
	case "compare":
		return is.vm.ToValue(f.(*collatorFormatter).compare(arg(call, 4).String(), arg(call, 5).String())), nil
	}
	parts, err := f.format(call.Arguments[4:])
	if err != nil {
		return nil, err
	}
	if what == "parts" {
		return is.jsonText(parts), nil
	}
	return is.vm.ToValue(intl.Text(parts)), nil
}

func (is *isolate) jsonText(v any) goja.Value {
	text, err := json.Marshal(v)
	is.must(err)
	return is.vm.ToValue(string(text))
}

// localeMethods puts toLocaleString and its kin over those of the engine, which know no locale.
func (is *isolate) localeMethods(proto *goja.Object, methods ...localeMethod) {
	for _, m := range methods {
		fn := is.function(m.name, 0, func(call goja.FunctionCall) goja.Value {
			return is.callWeb(m.tool, append([]goja.Value{m.this(is, call.This)}, m.args(is, call)...)...)
		})
		is.must(proto.DefineDataProperty(m.name, fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	}
}

// A localeMethod is one of them: the function of web_intl behind it, and what that is given.
type localeMethod struct {
	name, tool string
	this       func(*isolate, goja.Value) goja.Value
	args       func(*isolate, goja.FunctionCall) []goja.Value
}

// callWeb calls a function that a file of ours defines.
func (is *isolate) callWeb(name string, args ...goja.Value) goja.Value {
	fn, _ := goja.AssertFunction(is.web(name))
	v, err := fn(goja.Undefined(), args...)
	if err != nil {
		is.rethrow(err)
	}
	return v
}

func localeArgs(_ *isolate, call goja.FunctionCall) []goja.Value {
	return []goja.Value{arg(call, 0), arg(call, 1)}
}

// unboxed is a number or BigInt that may be in its object.
func unboxed(is *isolate, this goja.Value) goja.Value {
	if obj, ok := this.(*goja.Object); ok {
		value, ok := goja.AssertFunction(obj.Get("valueOf"))
		if !ok {
			is.throwType("not a number")
		}
		v, err := value(obj)
		if err != nil {
			is.rethrow(err)
		}
		return v
	}
	return this
}

// localeNumbers mends Number.prototype or BigInt.prototype.
func (is *isolate) localeNumbers(proto *goja.Object) {
	is.localeMethods(proto, localeMethod{"toLocaleString", "localeNumber_", unboxed, localeArgs})
}

// localeDates mends Date.prototype.
func (is *isolate) localeDates(proto *goja.Object) {
	value, _ := goja.AssertFunction(proto.Get("getTime"))
	this := func(is *isolate, this goja.Value) goja.Value {
		ms, err := value(this)
		if err != nil {
			is.rethrow(err)
		}
		return ms
	}
	method := func(name, fallback string) localeMethod {
		return localeMethod{name, "localeDate_", this, func(is *isolate, call goja.FunctionCall) []goja.Value {
			return append(localeArgs(is, call), is.vm.ToValue(fallback))
		}}
	}
	is.localeMethods(proto, method("toLocaleString", "any"), method("toLocaleDateString", "date"), method("toLocaleTimeString", "time"))
}
