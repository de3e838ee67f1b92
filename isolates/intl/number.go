package intl

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/feature/plural"
)

// NumberOptions are those of Intl.NumberFormat; nil and "" are not set. Once resolved, those that matter are.
type NumberOptions struct {
	Style           string `json:"style,omitempty"`
	Currency        string `json:"currency,omitempty"`
	CurrencyDisplay string `json:"currencyDisplay,omitempty"`
	CurrencySign    string `json:"currencySign,omitempty"`
	Unit            string `json:"unit,omitempty"`
	UnitDisplay     string `json:"unitDisplay,omitempty"`
	MinimumInteger  *int   `json:"minimumIntegerDigits,omitempty"`
	MinimumFraction *int   `json:"minimumFractionDigits,omitempty"`
	MaximumFraction *int   `json:"maximumFractionDigits,omitempty"`
	MinimumSignif   *int   `json:"minimumSignificantDigits,omitempty"`
	MaximumSignif   *int   `json:"maximumSignificantDigits,omitempty"`
	UseGrouping     any    `json:"useGrouping,omitempty"`
	Notation        string `json:"notation,omitempty"`
	CompactDisplay  string `json:"compactDisplay,omitempty"`
	SignDisplay     string `json:"signDisplay,omitempty"`
	RoundingMode    string `json:"roundingMode,omitempty"`
}

// A Number formats numbers.
type Number struct {
	locale  *Locale
	options NumberOptions
	// precise says that compact notation chooses the digits: two significant ones below ten.
	precise bool
}

// oneOf reports a value that is none of those allowed; "" takes the first.
func oneOf(option string, to *string, allowed ...string) error {
	if *to == "" {
		*to = allowed[0]
		return nil
	}
	for _, a := range allowed {
		if *to == a {
			return nil
		}
	}
	return &RangeError{fmt.Sprintf("Value %s out of range for Intl.NumberFormat options property %s", *to, option)}
}

// NewNumber resolves options. Errors are *RangeError.
func NewNumber(l *Locale, o NumberOptions) (*Number, error) {
	for _, check := range []struct {
		option  string
		to      *string
		allowed []string
	}{
		{"style", &o.Style, []string{"decimal", "percent", "currency", "unit"}},
		{"currencyDisplay", &o.CurrencyDisplay, []string{"symbol", "narrowSymbol", "code", "name"}},
		{"currencySign", &o.CurrencySign, []string{"standard", "accounting"}},
		{"unitDisplay", &o.UnitDisplay, []string{"short", "narrow", "long"}},
		{"notation", &o.Notation, []string{"standard", "scientific", "engineering", "compact"}},
		{"compactDisplay", &o.CompactDisplay, []string{"short", "long"}},
		{"signDisplay", &o.SignDisplay, []string{"auto", "never", "always", "exceptZero", "negative"}},
		{"roundingMode", &o.RoundingMode, []string{"halfExpand"}},
	} {
		if err := oneOf(check.option, check.to, check.allowed...); err != nil {
			return nil, err
		}
	}
	f := &Number{locale: l, options: o}
	if err := f.checkStyle(); err != nil {
		return nil, err
	}
	if err := f.resolveGrouping(); err != nil {
		return nil, err
	}
	return f, f.resolveDigits()
}

func (f *Number) checkStyle() error {
	o := &f.options
	o.Currency = strings.ToUpper(o.Currency)
	switch {
	case o.Style == "currency" && len(o.Currency) != 3:
		return &RangeError{"Invalid currency code : " + o.Currency}
	case o.Style == "unit" && f.locale.data.Units["short"][o.Unit] == nil:
		return &RangeError{"Invalid unit argument for Intl.NumberFormat() '" + o.Unit + "'"}
	}
	if o.Style != "currency" {
		o.Currency, o.CurrencyDisplay, o.CurrencySign = "", "", ""
	}
	if o.Style != "unit" {
		o.Unit, o.UnitDisplay = "", ""
	}
	if o.Notation != "compact" {
		o.CompactDisplay = ""
	}
	return nil
}

func (f *Number) resolveGrouping() error {
	switch o := &f.options; o.UseGrouping {
	case nil, "true", "false":
		o.UseGrouping = "auto"
		if o.Notation == "compact" {
			o.UseGrouping = "min2"
		}
	case true:
		o.UseGrouping = "always"
	case false, "":
		o.UseGrouping = false
	case "auto", "always", "min2":
	default:
		return &RangeError{fmt.Sprintf("Value %v out of range for Intl.NumberFormat options property useGrouping", o.UseGrouping)}
	}
	return nil
}

func (f *Number) resolveDigits() error {
	o := &f.options
	least, most := 0, 3
	switch {
	case o.Style == "currency" && o.Notation == "standard":
		least = 2
		if n, ok := shared().Digits[o.Currency]; ok {
			least = n
		}
		most = least
	case o.Style == "percent", o.Notation == "compact":
		most = 0
	}
	for _, n := range []struct {
		option    string
		is        *int
		low, high int
	}{
		{"minimumIntegerDigits", o.MinimumInteger, 1, 21}, {"minimumFractionDigits", o.MinimumFraction, 0, 100}, {"maximumFractionDigits", o.MaximumFraction, 0, 100},
		{"minimumSignificantDigits", o.MinimumSignif, 1, 21}, {"maximumSignificantDigits", o.MaximumSignif, 1, 21},
	} {
		if n.is != nil && (*n.is < n.low || *n.is > n.high) {
			return &RangeError{n.option + " value is out of range."}
		}
	}
	set := func(n int) *int { return &n }
	if o.MinimumInteger == nil {
		o.MinimumInteger = set(1)
	}
	if o.MinimumSignif != nil || o.MaximumSignif != nil {
		if o.MinimumSignif == nil {
			o.MinimumSignif = set(1)
		}
		if o.MaximumSignif == nil {
			o.MaximumSignif = set(21)
		}
		o.MinimumFraction, o.MaximumFraction = nil, nil
		if *o.MinimumSignif > *o.MaximumSignif {
			return &RangeError{"maximumSignificantDigits value is out of range."}
		}
		return nil
	}
	f.precise = o.Notation == "compact" && o.MinimumFraction == nil && o.MaximumFraction == nil
	switch low, high := o.MinimumFraction, o.MaximumFraction; {
	case low == nil && high == nil:
		o.MinimumFraction, o.MaximumFraction = set(least), set(most)
	case high == nil:
		o.MaximumFraction = set(max(*low, most))
	case low == nil:
		o.MinimumFraction = set(min(least, *high))
	case *low > *high:
		return &RangeError{"maximumFractionDigits value is out of range."}
	}
	return nil
}

// Resolved are the options as they are used.
func (f *Number) Resolved() NumberOptions { return f.options }

// Float formats x, Text a number written out, such as that of a BigInt.
func (f *Number) Float(x float64) []Part { return f.format(ofFloat(x)) }

// Text formats a number that is written out. See Float.
func (f *Number) Text(number string) []Part { return f.format(parseDecimal(number)) }

// rounded applies the limits of digits.
func (f *Number) rounded(d decimal) decimal {
	o := &f.options
	switch {
	case o.MaximumSignif != nil:
		return d.round(*o.MaximumSignif)
	case f.precise && d.magnitude() < 1:
		return d.round(2)
	}
	return d.roundFraction(*o.MaximumFraction)
}

// leastFraction is how many digits there are behind the point at least.
func (f *Number) leastFraction(d decimal) int {
	o := &f.options
	if o.MinimumSignif != nil {
		return max(0, *o.MinimumSignif-d.magnitude()-1)
	}
	return *o.MinimumFraction
}

func (f *Number) format(d decimal) []Part {
	if f.options.Style == "percent" {
		d = d.shift(2)
	}
	pattern, exponent := f.pattern(), 0
	switch f.options.Notation {
	case "compact":
		d, pattern = f.compact(d, pattern)
	case "scientific", "engineering":
		d, exponent = f.scientific(d)
	default:
		d = f.rounded(d)
	}
	if f.options.Style == "currency" {
		pattern = f.spacing(pattern)
	}
	out := f.fill(d, pattern, exponent)
	switch {
	case f.options.Style == "currency" && f.options.CurrencyDisplay == "name":
		return f.frame(out, f.locale.data.Numbers.CurrencyName.of(f.category(d)), f.currencyName(d), "currency")
	case f.options.Style == "unit":
		return f.unit(out, d)
	}
	return out
}

func (f *Number) category(d decimal) string {
	if d.nan || d.inf {
		return "other"
	}
	return f.locale.category(plural.Cardinal, d, f.leastFraction(d))
}

func (f *Number) pattern() string {
	n := &f.locale.data.Numbers
	o := &f.options
	switch {
	case o.Style == "percent":
		return n.Percent
	case o.Style != "currency" || o.CurrencyDisplay == "name":
		return n.Decimal
	}
	return n.Currency[o.CurrencySign]
}

// spacing is a currency pattern with a space between a symbol that is made of letters and the digits.
func (f *Number) spacing(pattern string) string {
	n := &f.locale.data.Numbers
	symbol := f.symbol()
	last, _ := utf8.DecodeLastRuneInString(symbol)
	first, _ := utf8.DecodeRuneInString(symbol)
	near := first
	if strings.IndexRune(pattern, '¤') < strings.IndexAny(pattern, "#0") {
		near = last
	}
	if f.options.Notation != "compact" && f.options.CurrencyDisplay != "name" && unicode.IsLetter(near) {
		if p, ok := n.Currency[f.options.CurrencySign+"-alphaNextToNumber"]; ok {
			pattern = p
		}
	}
	if unicode.IsLetter(last) {
		pattern = strings.NewReplacer("¤#", "¤\u00a0#", "¤0", "¤\u00a00").Replace(pattern)
	}
	if unicode.IsLetter(first) {
		pattern = strings.ReplaceAll(pattern, "0¤", "0\u00a0¤")
	}
	return pattern
}

// symbol is what stands for the currency.
func (f *Number) symbol() string {
	c := f.locale.data.Numbers.Currencies[f.options.Currency]
	switch {
	case f.options.CurrencyDisplay == "narrowSymbol" && c.Narrow != "":
		return c.Narrow
	case f.options.CurrencyDisplay != "code" && c.Symbol != "":
		return c.Symbol
	}
	return f.options.Currency
}

func (f *Number) currencyName(d decimal) string {
	names := f.locale.data.Numbers.Currencies[f.options.Currency].Names
	if name, ok := names[f.category(d)]; ok {
		return name
	}
	if name, ok := names["other"]; ok {
		return name
	}
	if name, ok := names[""]; ok {
		return name
	}
	return f.options.Currency
}

// frame puts a number into a pattern with {0}, and a name for {1}.
func (f *Number) frame(number []Part, pattern, name, kind string) []Part {
	var out []Part
	for pattern != "" {
		i := strings.IndexByte(pattern, '{')
		if i < 0 {
			out = append(out, unitParts(pattern, kind)...)
			break
		}
		out = append(out, unitParts(pattern[:i], kind)...)
		if pattern[i+1] == '0' {
			out = append(out, number...)
		} else {
			out = append(out, Part{kind, name})
		}
		pattern = pattern[i+3:]
	}
	return out
}

// unitParts is the text of a pattern: spaces around it are literals, the rest is of the kind.
func unitParts(text, kind string) (out []Part) {
	if text == "" {
		return nil
	}
	inner := strings.TrimFunc(text, unicode.IsSpace)
	if inner == "" {
		return []Part{{"literal", text}}
	}
	before, after, _ := strings.Cut(text, inner)
	if before != "" {
		out = append(out, Part{"literal", before})
	}
	out = append(out, Part{kind, inner})
	if after != "" {
		out = append(out, Part{"literal", after})
	}
	return out
}

func (f *Number) unit(number []Part, d decimal) []Part {
	if f.options.Unit == "percent" {
		return f.frame(number, f.locale.data.Units[f.options.UnitDisplay]["percent"].of(f.category(d)), "", "unit")
	}
	return f.frame(number, f.locale.data.Units[f.options.UnitDisplay][f.options.Unit].of(f.category(d)), "", "unit")
}

// compact scales d to its unit, such as thousands, and gives the pattern that names it.
func (f *Number) compact(d decimal, standard string) (decimal, string) {
	c := &f.locale.data.Numbers.Compact
	patterns := c.Short
	switch {
	case f.options.Style == "currency" && f.options.CurrencyDisplay != "name":
		patterns = c.Currency
	case f.options.CompactDisplay == "long":
		patterns = c.Long
	}
	if d.nan || d.inf || d.zero() || f.options.Style == "percent" {
		return f.rounded(d), standard
	}
	magnitude := d.magnitude()
	for range 2 {
		pattern, shift := compactPattern(patterns, magnitude, "other")
		scaled := f.rounded(d.shift(-shift))
		// Rounding may have made a thousand of 999.9.
		if up := scaled.magnitude() + shift; up > magnitude {
			magnitude = up
			continue
		}
		if pattern == "" {
			return scaled, standard
		}
		pattern, _ = compactPattern(patterns, magnitude, f.category(scaled))
		return scaled, pattern
	}
	return f.rounded(d), standard
}

// compactPattern is the pattern for numbers of a magnitude and the power of ten it stands for; "" if there is none.
func compactPattern(patterns map[string]string, magnitude int, category string) (string, int) {
	magnitude = min(magnitude, 14)
	if magnitude < 3 {
		return "", 0
	}
	key := "1" + strings.Repeat("0", magnitude) + "-count-"
	pattern, ok := patterns[key+category]
	if !ok {
		pattern = patterns[key+"other"]
	}
	zeros := strings.Count(strings.Split(pattern, ";")[0], "0")
	if zeros == 0 || strings.Trim(pattern, "0") == "" {
		return "", 0
	}
	return pattern, magnitude - zeros + 1
}

// scientific splits off a power of ten.
func (f *Number) scientific(d decimal) (decimal, int) {
	step := 1
	if f.options.Notation == "engineering" {
		step = 3
	}
	floor := func(n int) int { return n - ((n%step)+step)%step }
	for {
		exponent := floor(d.magnitude())
		if d.nan || d.inf || d.zero() {
			return f.rounded(d), 0
		}
		scaled := f.rounded(d.shift(-exponent))
		if floor(scaled.magnitude()) == 0 {
			return scaled, exponent
		}
		d = scaled.shift(exponent)
	}
}

// sign is the sign to show: -1, 0 for none, 1.
func (f *Number) sign(d decimal) int {
	neg, zero := d.neg && !d.nan, d.zero() || d.nan
	switch f.options.SignDisplay {
	case "always":
	case "exceptZero":
		if zero {
			return 0
		}
	case "negative":
		if neg && !d.zero() {
			return -1
		}
		return 0
	case "never":
		return 0
	default:
		if !neg {
			return 0
		}
	}
	if neg {
		return -1
	}
	return 1
}

// fill writes d into a pattern.
func (f *Number) fill(d decimal, pattern string, exponent int) (out []Part) {
	symbols := &f.locale.data.Numbers.Symbols
	positive, negative, both := strings.Cut(pattern, ";")
	sign := f.sign(d)
	switch {
	case sign < 0 && both:
		positive = negative
	case sign < 0:
		positive = "-" + positive
	case sign > 0:
		positive = "+" + positive
	}
	literal := ""
	flush := func() {
		if literal != "" {
			out = append(out, Part{"literal", literal})
			literal = ""
		}
	}
	add := func(kind, text string) {
		flush()
		out = append(out, Part{kind, text})
	}
	for i := 0; i < len(positive); {
		r, n := utf8.DecodeRuneInString(positive[i:])
		switch {
		case r == '\'':
			end := strings.IndexByte(positive[i+1:], '\'')
			if end == 0 {
				literal += "'"
			} else {
				literal += positive[i+1 : i+1+end]
			}
			i += end + 2
			continue
		case strings.ContainsRune("#0", r):
			j := i
			for j < len(positive) && strings.ContainsRune("#0,.", rune(positive[j])) {
				j++
			}
			flush()
			out = append(out, f.digits(d, positive[i:j], exponent)...)
			i = j
			continue
		case r == '-':
			add("minusSign", symbols.MinusSign)
		case r == '+':
			add("plusSign", symbols.PlusSign)
		case r == '%':
			add("percentSign", symbols.PercentSign)
		case r == '¤':
			add("currency", f.symbol())
		case f.options.Notation == "compact" && !unicode.IsSpace(r) && r != '(' && r != ')':
			j := i
			for j < len(positive) {
				c, m := utf8.DecodeRuneInString(positive[j:])
				if unicode.IsSpace(c) || strings.ContainsRune("0¤'", c) {
					break
				}
				j += m
			}
			text := positive[i:j]
			if j < len(positive) && positive[j] == '\'' { // Mio'.'
				if end := strings.IndexByte(positive[j+1:], '\''); end >= 0 {
					text += positive[j+1 : j+1+end]
					j += end + 2
				}
			}
			add("compact", text)
			i = j
			continue
		default:
			literal += string(r)
		}
		i += n
	}
	flush()
	return out
}

// digits writes the number itself. form is the part of the pattern that says how it is grouped.
func (f *Number) digits(d decimal, form string, exponent int) (out []Part) {
	symbols := &f.locale.data.Numbers.Symbols
	switch {
	case d.nan:
		return []Part{{"nan", symbols.NaN}}
	case d.inf:
		return []Part{{"infinity", symbols.Infinity}}
	}
	point, comma := symbols.Decimal, symbols.Group
	if f.options.Style == "currency" {
		if symbols.CurrencyDecimal != "" {
			point = symbols.CurrencyDecimal
		}
		if symbols.CurrencyGroup != "" {
			comma = symbols.CurrencyGroup
		}
	}
	whole, fraction := d.parts(f.leastFraction(d))
	whole = strings.Repeat("0", max(0, *f.options.MinimumInteger-len(whole))) + whole
	for i, group := range f.groups(whole, form) {
		if i > 0 {
			out = append(out, Part{"group", comma})
		}
		out = append(out, Part{"integer", group})
	}
	if fraction != "" {
		out = append(out, Part{"decimal", point}, Part{"fraction", fraction})
	}
	if n := f.options.Notation; n == "scientific" || n == "engineering" {
		out = append(out, Part{"exponentSeparator", symbols.Exponential})
		if exponent < 0 {
			out = append(out, Part{"exponentMinusSign", symbols.MinusSign})
		}
		out = append(out, Part{"exponentInteger", strconv.Itoa(max(exponent, -exponent))})
	}
	return out
}

// groups splits digits as a pattern such as #,##,##0.00 says.
func (f *Number) groups(whole, form string) []string {
	if f.options.Notation == "compact" {
		form = f.locale.data.Numbers.Decimal
	}
	form, _, _ = strings.Cut(form, ".")
	last := strings.LastIndexByte(form, ',')
	least := f.locale.data.Numbers.MinimumGrouping
	switch f.options.UseGrouping {
	case false:
		return []string{whole}
	case "always":
		least = 1
	case "min2":
		least = max(least, 2)
	}
	if last < 0 || f.options.Notation == "scientific" || f.options.Notation == "engineering" {
		return []string{whole}
	}
	first := len(form) - last - 1
	next := first
	if before := strings.LastIndexByte(form[:last], ','); before >= 0 {
		next = last - before - 1
	}
	if len(whole) < first+least {
		return []string{whole}
	}
	groups := []string{whole[len(whole)-first:]}
	for rest := whole[:len(whole)-first]; rest != ""; {
		n := min(next, len(rest))
		groups = append([]string{rest[len(rest)-n:]}, groups...)
		rest = rest[:len(rest)-n]
	}
	return groups
}
