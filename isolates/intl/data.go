package intl

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"sync"
)

//go:embed cldr/*.json.gz
var files embed.FS

// plurals are texts by the plural category of a number.
type plurals map[string]string

// of is the text for a category.
func (p plurals) of(category string) string {
	if text, ok := p[category]; ok {
		return text
	}
	return p["other"]
}

// widths are names by their width: wide, abbreviated, narrow.
type widths map[string]map[string]string

// data is what is known of a locale; cldr/extract.mjs says where it comes from.
type data struct {
	Numbers struct {
		Symbols struct {
			Decimal, Group, PercentSign, PlusSign, MinusSign, Exponential, Infinity, NaN string
			CurrencyDecimal, CurrencyGroup                                               string
		}
		MinimumGrouping  int
		Decimal, Percent string
		Currency         map[string]string
		CurrencyName     plurals
		Compact          struct{ Short, Long, Currency map[string]string }
		Currencies       map[string]struct {
			Symbol, Narrow string
			Names          plurals
		}
	}
	Dates struct {
		Months, Days         struct{ Format, Alone widths }
		Periods, Eras        widths
		Date, Time, Join, At map[string]string
		Available, Append    map[string]string
		GMT, GMTZero, Hour   string
		Metazones, Zones     map[string]zoneNames
	}
	Relative map[string]map[string]relativeTexts
	Lists    map[string]map[string]string
	Units    map[string]map[string]plurals
}

// zoneNames are the names of a time zone in summer and winter.
type zoneNames struct {
	Long, Short struct{ Generic, Standard, Daylight string }
}

// relativeTexts are the texts of one direction, or the one of a fixed distance such as yesterday.
type relativeTexts struct {
	fixed    string
	patterns plurals
}

// UnmarshalJSON reads either form.
func (r *relativeTexts) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte(`"`)) {
		return json.Unmarshal(text, &r.fixed)
	}
	return json.Unmarshal(text, &r.patterns)
}

// shared is what is the same in all locales.
var shared = sync.OnceValue(func() (s struct {
	Digits  map[string]int
	Zones   map[string]string
	Parents map[string]string
}) {
	mustRead("shared", &s)
	return s
})

// loaded keeps the data of locales that were asked for: a locale is read once.
var loaded sync.Map // of string to func() *data

// load is the data of a locale that there is a file for.
func load(name string) *data {
	read, _ := loaded.LoadOrStore(name, sync.OnceValue(func() *data {
		d := &data{}
		mustRead(name, d)
		return d
	}))
	return read.(func() *data)()
}

// has says whether there is a file for a locale.
func has(name string) bool {
	f, err := files.Open("cldr/" + name + ".json.gz")
	if err != nil {
		return false
	}
	f.Close()
	return name != "shared"
}

// mustRead reads a file of ours: that it is there and right is known when the program is built.
func mustRead(name string, to any) {
	raw, err := files.ReadFile("cldr/" + name + ".json.gz")
	if err == nil {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(raw)); err == nil {
			err = json.NewDecoder(z).Decode(to)
		}
	}
	if err != nil {
		panic(fmt.Sprintf("intl: the data of %s: %v", name, err))
	}
}
