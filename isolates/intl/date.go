package intl

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones must not depend on the machine
)

// DateOptions are those of Intl.DateTimeFormat; "" and 0 are not set.
type DateOptions struct {
	Weekday        string `json:"weekday,omitempty"`
	Era            string `json:"era,omitempty"`
	Year           string `json:"year,omitempty"`
	Month          string `json:"month,omitempty"`
	Day            string `json:"day,omitempty"`
	Hour           string `json:"hour,omitempty"`
	Minute         string `json:"minute,omitempty"`
	Second         string `json:"second,omitempty"`
	FractionDigits int    `json:"fractionalSecondDigits,omitempty"`
	TimeZoneName   string `json:"timeZoneName,omitempty"`
	DateStyle      string `json:"dateStyle,omitempty"`
	TimeStyle      string `json:"timeStyle,omitempty"`
	HourCycle      string `json:"hourCycle,omitempty"`
	Hour12         *bool  `json:"hour12,omitempty"`
	TimeZone       string `json:"timeZone,omitempty"`
}

// A Date formats moments.
type Date struct {
	locale  *Locale
	options DateOptions
	zone    *time.Location
	pattern []field
}

// A field is a run of one letter of a pattern, or text between.
type field struct {
	letter  byte // 0 for text
	count   int
	literal string
}

var (
	textWidths    = []string{"long", "short", "narrow"}
	numericWidths = []string{"numeric", "2-digit"}
	zoneStyles    = []string{"short", "long", "shortOffset", "longOffset", "shortGeneric", "longGeneric"}
	styles        = []string{"full", "long", "medium", "short"}
	cycles        = []string{"h11", "h12", "h23", "h24"}
)

// NewDate resolves options. fallback says what is shown if they name no field: "date", "time" or "any" for both. Errors are
// *RangeError.
func NewDate(l *Locale, o DateOptions, fallback string) (*Date, error) {
	for _, check := range []struct {
		option, value string
		allowed       []string
	}{
		{"weekday", o.Weekday, textWidths}, {"era", o.Era, textWidths}, {"year", o.Year, numericWidths}, {"month", o.Month, append(textWidths, numericWidths...)},
		{"day", o.Day, numericWidths}, {"hour", o.Hour, numericWidths}, {"minute", o.Minute, numericWidths}, {"second", o.Second, numericWidths},
		{"timeZoneName", o.TimeZoneName, zoneStyles}, {"dateStyle", o.DateStyle, styles}, {"timeStyle", o.TimeStyle, styles}, {"hourCycle", o.HourCycle, cycles},
	} {
		if check.value != "" && !slices.Contains(check.allowed, check.value) {
			return nil, &RangeError{fmt.Sprintf("Value %s out of range for Intl.DateTimeFormat options property %s", check.value, check.option)}
		}
	}
	if o.FractionDigits < 0 || o.FractionDigits > 3 {
		return nil, &RangeError{"fractionalSecondDigits value is out of range."}
	}
	f := &Date{locale: l, options: o}
	if err := f.resolveZone(); err != nil {
		return nil, err
	}
	f.addDefaults(fallback)
	f.resolveCycle()
	f.pattern = f.build()
	return f, nil
}

// addDefaults names the fields that are shown where none is asked for.
func (f *Date) addDefaults(fallback string) {
	o := &f.options
	if o.DateStyle != "" || o.TimeStyle != "" {
		return
	}
	date := o.Weekday != "" || o.Year != "" || o.Month != "" || o.Day != ""
	clock := o.Hour != "" || o.Minute != "" || o.Second != "" || o.FractionDigits != 0
	if date && (fallback == "date" || fallback == "any" || fallback == "default") || clock && (fallback == "time" || fallback == "any" || fallback == "default") {
		return
	}
	if fallback != "time" {
		o.Year, o.Month, o.Day = "numeric", "numeric", "numeric"
	}
	if fallback == "time" || fallback == "any" {
		o.Hour, o.Minute, o.Second = "numeric", "numeric", "numeric"
	}
}

// resolveCycle decides between 12 and 24 hours.
func (f *Date) resolveCycle() {
	o := &f.options
	own := "h23"
	if twelveHours(f.locale.data.Dates.Time["short"]) {
		own = "h12"
	}
	switch {
	case o.Hour12 != nil && *o.Hour12:
		o.HourCycle = "h12"
		if strings.HasPrefix(f.locale.Name, "ja") {
			o.HourCycle = "h11"
		}
	case o.Hour12 != nil:
		o.HourCycle = "h23"
	case o.HourCycle == "" && f.locale.HourCycle != "":
		o.HourCycle = f.locale.HourCycle
	case o.HourCycle == "":
		o.HourCycle = own
	}
	if o.Hour == "" && o.TimeStyle == "" {
		o.HourCycle = ""
	}
}

// twelveHours says whether a pattern counts hours to twelve.
func twelveHours(pattern string) bool {
	return slices.ContainsFunc(parsePattern(pattern), func(x field) bool { return x.letter == 'h' || x.letter == 'K' })
}

// Resolved are the options as they are used.
func (f *Date) Resolved() DateOptions {
	o := f.options
	if o.HourCycle != "" {
		twelve := o.HourCycle == "h11" || o.HourCycle == "h12"
		o.Hour12 = &twelve
	} else {
		o.Hour12 = nil
	}
	return o
}

// clockLetter is the letter of hours in patterns of 12 or of 24 hours.
func (f *Date) clockLetter() byte {
	if f.options.HourCycle == "h11" || f.options.HourCycle == "h12" {
		return 'h'
	}
	return 'H'
}

// build makes the pattern.
func (f *Date) build() []field {
	o := &f.options
	d := &f.locale.data.Dates
	var date, clock string
	style := "short"
	if o.DateStyle != "" || o.TimeStyle != "" {
		date, style = d.Date[o.DateStyle], o.DateStyle
		clock = f.styledTime()
	} else {
		date, clock, style = f.datePattern(), f.timePattern(), f.joinStyle()
	}
	pattern := date + clock
	if date != "" && clock != "" {
		pattern = strings.NewReplacer("{1}", date, "{0}", clock).Replace(d.At[style])
	}
	out := parsePattern(pattern)
	hour := map[string]byte{"h11": 'K', "h12": 'h', "h23": 'H', "h24": 'k'}[o.HourCycle]
	for i := range out {
		if strings.IndexByte("hHkK", out[i].letter) >= 0 && out[i].letter != 0 && hour != 0 {
			out[i].letter = hour
		}
	}
	return out
}

// joinStyle is how date and time are joined: the longer the date, the more words.
func (f *Date) joinStyle() string {
	switch o := &f.options; {
	case o.Month == "long" && o.Weekday != "":
		return "full"
	case o.Month == "long":
		return "long"
	case o.Month == "short":
		return "medium"
	}
	return "short"
}

// styledTime is the pattern of timeStyle.
func (f *Date) styledTime() string {
	o := &f.options
	pattern := f.locale.data.Dates.Time[o.TimeStyle]
	if pattern == "" || twelveHours(pattern) == (f.clockLetter() == 'h') {
		return pattern
	}
	key := string(f.clockLetter()) + map[string]string{"full": "ms", "long": "ms", "medium": "ms", "short": "m"}[o.TimeStyle]
	out := f.locale.data.Dates.Available[key]
	if zone := map[string]string{"full": "zzzz", "long": "z"}[o.TimeStyle]; zone != "" {
		out = strings.NewReplacer("{0}", out, "{1}", zone).Replace(f.locale.data.Dates.Append["Timezone"])
	}
	return out
}

func width(option string) int {
	switch option {
	case "2-digit":
		return 2
	case "short":
		return 3
	case "long":
		return 4
	case "narrow":
		return 5
	case "":
		return 0
	}
	return 1
}

func (f *Date) datePattern() string {
	o := &f.options
	wanted := map[byte]int{}
	for letter, n := range map[byte]int{'G': width(o.Era), 'y': width(o.Year), 'M': width(o.Month), 'E': width(o.Weekday), 'd': width(o.Day)} {
		if n != 0 {
			wanted[letter] = n
		}
	}
	if len(wanted) == 0 {
		return ""
	}
	return f.bestPattern(wanted)
}

// bestPattern is the pattern whose key has the wanted letters and is nearest in their widths, brought to these widths. If there is
// none, a letter is left out and put behind.
func (f *Date) bestPattern(wanted map[byte]int) string {
	best, bestDistance := "", 1<<30
	available := f.available()
	for _, key := range sortedKeys(available) {
		if d := distance(key, wanted); d < bestDistance {
			best, bestDistance = key, d
		}
	}
	if best != "" {
		return adjust(available[best], letters(best), wanted)
	}
	if len(wanted) == 1 {
		for letter, n := range wanted {
			return strings.Repeat(string(letter), n)
		}
	}
	for _, letter := range []byte{'E', 'G', 'd', 'y', 'M'} {
		n, ok := wanted[letter]
		if !ok {
			continue
		}
		rest := map[byte]int{}
		for l, m := range wanted {
			if l != letter {
				rest[l] = m
			}
		}
		item := map[byte]string{'E': "Day-Of-Week", 'G': "Era", 'd': "Day", 'y': "Year", 'M': "Month"}[letter]
		text := f.locale.data.Dates.Append[item]
		if letter != 'E' && letter != 'G' {
			text = "{0} {1}"
		}
		return strings.NewReplacer("{0}", f.bestPattern(rest), "{1}", strings.Repeat(string(letter), max(n, 1))).Replace(text)
	}
	return ""
}

// available are the patterns of the locale by the letters in them. Those of styles are among them: of a full date that of its style
// goes first, as it does in ICU.
func (f *Date) available() map[string]string {
	d := &f.locale.data.Dates
	out := map[string]string{}
	for _, pattern := range []string{d.Time["short"], d.Time["medium"], d.Date["long"]} {
		out[keyOf(pattern)] = pattern
	}
	maps.Copy(out, d.Available)
	out[keyOf(d.Date["full"])] = d.Date["full"]
	return out
}

func keyOf(pattern string) string {
	key := ""
	for _, x := range parsePattern(pattern) {
		if x.letter != 0 && x.letter != 'a' {
			key += strings.Repeat(string(x.letter), x.count)
		}
	}
	return key
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// letters counts the letters of a key.
func letters(key string) map[byte]int {
	out := map[byte]int{}
	for i := range len(key) {
		letter := key[i]
		if letter == 'L' {
			letter = 'M'
		}
		if letter == 'c' {
			letter = 'E'
		}
		out[letter]++
	}
	return out
}

// distance says how far a key is from the wanted widths; beyond reach if it has other letters.
func distance(key string, wanted map[byte]int) int {
	const beyond = 1 << 30
	if strings.Contains(key, "-") {
		return beyond
	}
	has := letters(key)
	if len(has) != len(wanted) {
		return beyond
	}
	sum := 0
	for letter, n := range wanted {
		m, ok := has[letter]
		if !ok {
			return beyond
		}
		if letter == 'E' && m < 3 {
			m = 3
		}
		diff := max(n-m, m-n)
		if letter == 'M' && (n >= 3) != (m >= 3) {
			diff += 100
		}
		sum += diff
	}
	return sum
}

// adjust brings the fields of a pattern to the wanted widths, where these are others than its key's.
func adjust(pattern string, key, wanted map[byte]int) string {
	fields := parsePattern(pattern)
	for i := range fields {
		x := &fields[i]
		letter := x.letter
		switch letter {
		case 'L':
			letter = 'M'
		case 'c':
			letter = 'E'
		case 'K', 'h':
			letter = 'h'
		case 'k', 'H':
			letter = 'H'
		}
		n, ok := wanted[letter]
		if !ok || letter == 0 || n == key[letter] || letter == 'E' && n == 3 {
			continue
		}
		if letter == 'M' && (n >= 3) != (x.count >= 3) {
			continue
		}
		x.count = n
	}
	return unparse(fields)
}

func (f *Date) timePattern() string {
	o := &f.options
	wanted := map[byte]int{}
	for letter, n := range map[byte]int{f.clockLetter(): width(o.Hour), 'm': width(o.Minute), 's': width(o.Second)} {
		if n != 0 {
			wanted[letter] = n
		}
	}
	pattern := ""
	if len(wanted) > 0 {
		pattern = f.bestPattern(wanted)
	}
	if o.FractionDigits > 0 {
		fraction := strings.Repeat("S", o.FractionDigits)
		if o.Second != "" {
			fields := parsePattern(pattern)
			for i := range fields {
				if fields[i].letter == 's' {
					fields[i] = field{literal: "", letter: 's', count: fields[i].count}
					fields = slices.Insert(fields, i+1, field{literal: f.locale.data.Numbers.Symbols.Decimal}, field{letter: 'S', count: o.FractionDigits})
					break
				}
			}
			pattern = unparse(fields)
		} else {
			pattern = strings.TrimSpace(pattern + " " + fraction)
		}
	}
	zone := map[string]string{"short": "z", "long": "zzzz", "shortOffset": "O", "longOffset": "OOOO", "shortGeneric": "v", "longGeneric": "vvvv"}[o.TimeZoneName]
	switch {
	case zone == "":
		return pattern
	case pattern == "":
		return zone
	}
	wanted['v'] = 1
	for _, key := range sortedKeys(f.locale.data.Dates.Available) {
		if distance(key, wanted) < 100 && o.FractionDigits == 0 {
			return strings.Replace(adjust(f.locale.data.Dates.Available[key], letters(key), wanted), "v", zone, 1)
		}
	}
	return strings.NewReplacer("{0}", pattern, "{1}", zone).Replace(f.locale.data.Dates.Append["Timezone"])
}

// parsePattern splits a pattern into its fields.
func parsePattern(pattern string) (out []field) {
	text := func(s string) {
		if n := len(out); n > 0 && out[n-1].letter == 0 {
			out[n-1].literal += s
			return
		}
		out = append(out, field{literal: s})
	}
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case c == '\'':
			end := strings.IndexByte(pattern[i+1:], '\'')
			if end < 0 {
				text(pattern[i+1:])
				return out
			}
			if end == 0 {
				text("'")
			} else {
				text(pattern[i+1 : i+1+end])
			}
			i += end + 2
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			j := i
			for j < len(pattern) && pattern[j] == c {
				j++
			}
			out = append(out, field{letter: c, count: j - i})
			i = j
		default:
			text(pattern[i : i+1])
			i++
		}
	}
	return out
}

func unparse(fields []field) string {
	var b strings.Builder
	for _, x := range fields {
		switch {
		case x.letter != 0:
			b.WriteString(strings.Repeat(string(x.letter), x.count))
		case strings.ContainsFunc(x.literal, func(r rune) bool { return r == '\'' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }):
			b.WriteString("'" + strings.ReplaceAll(x.literal, "'", "''") + "'")
		default:
			b.WriteString(x.literal)
		}
	}
	return b.String()
}

// Format formats a moment, in milliseconds since the epoch.
func (f *Date) Format(ms float64) []Part {
	t := time.UnixMilli(int64(ms)).In(f.zone)
	var out []Part
	for _, x := range f.pattern {
		p := f.part(x, t)
		// Programs compare what they get: the narrow space that the data has before AM and PM is a plain one, as in V8.
		p.Value = strings.ReplaceAll(p.Value, "\u202f", " ")
		if n := len(out); n > 0 && p.Type == "literal" && out[n-1].Type == "literal" {
			out[n-1].Value += p.Value
			continue
		}
		out = append(out, p)
	}
	return out
}

// part is one field of a moment.
func (f *Date) part(x field, t time.Time) Part {
	d := &f.locale.data.Dates
	number := func(n int) string {
		if x.count == 2 {
			return fmt.Sprintf("%02d", n%100)
		}
		return fmt.Sprint(n)
	}
	name := func(w widths, n int) string {
		return w[[...]string{3: "abbreviated", 4: "wide", 5: "narrow"}[max(3, min(x.count, 5))]][fmt.Sprint(n)]
	}
	switch x.letter {
	case 'G':
		era := 1
		if t.Year() <= 0 {
			era = 0
		}
		return Part{"era", name(d.Eras, era)}
	case 'y':
		year := t.Year()
		if year <= 0 && slices.ContainsFunc(f.pattern, func(x field) bool { return x.letter == 'G' }) {
			year = 1 - year
		}
		return Part{"year", number(year)}
	case 'M', 'L':
		if x.count < 3 {
			return Part{"month", number(int(t.Month()))}
		}
		if x.letter == 'L' {
			return Part{"month", name(d.Months.Alone, int(t.Month()))}
		}
		return Part{"month", name(d.Months.Format, int(t.Month()))}
	case 'd':
		return Part{"day", number(t.Day())}
	case 'E', 'c':
		days := d.Days.Format
		if x.letter == 'c' {
			days = d.Days.Alone
		}
		key := [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}[t.Weekday()]
		return Part{"weekday", days[[...]string{3: "abbreviated", 4: "wide", 5: "narrow"}[max(3, min(x.count, 5))]][key]}
	case 'H':
		return Part{"hour", number(t.Hour())}
	case 'k':
		return Part{"hour", number((t.Hour()+23)%24 + 1)}
	case 'h':
		return Part{"hour", number((t.Hour()+11)%12 + 1)}
	case 'K':
		return Part{"hour", number(t.Hour() % 12)}
	case 'm':
		return Part{"minute", number(t.Minute())}
	case 's':
		return Part{"second", number(t.Second())}
	case 'S':
		return Part{"fractionalSecond", fmt.Sprintf("%09d", t.Nanosecond())[:x.count]}
	case 'a', 'b', 'B':
		key := "am"
		if t.Hour() >= 12 {
			key = "pm"
		}
		return Part{"dayPeriod", d.Periods["abbreviated"][key]}
	case 'z', 'v', 'O':
		return Part{"timeZoneName", f.zoneName(x, t)}
	}
	return Part{"literal", x.literal}
}
