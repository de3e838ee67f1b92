package intl

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var offsetZone = regexp.MustCompile(`^([+-])(\d\d):?(\d\d)?$`)

// resolveZone finds the zone that is asked for: a name of the IANA database, whatever its case, or an offset such as +02:00.
func (f *Date) resolveZone() error {
	name := f.options.TimeZone
	switch m := offsetZone.FindStringSubmatch(name); {
	case name == "", strings.EqualFold(name, "UTC"), strings.EqualFold(name, "GMT"), strings.EqualFold(name, "Etc/UTC"), strings.EqualFold(name, "Etc/GMT"):
		f.options.TimeZone, f.zone = "UTC", time.UTC
		return nil
	case m != nil:
		hours, _ := strconv.Atoi(m[2])
		minutes, _ := strconv.Atoi("0" + m[3])
		seconds := hours*3600 + minutes*60
		if m[1] == "-" {
			seconds = -seconds
		}
		f.options.TimeZone = fmt.Sprintf("%s%02d:%02d", m[1], hours, minutes)
		f.zone = time.FixedZone(f.options.TimeZone, seconds)
		return nil
	}
	known := canonicalZone(name)
	zone, err := time.LoadLocation(known)
	if err != nil || strings.EqualFold(name, "local") {
		return &RangeError{"Invalid time zone specified: " + name}
	}
	f.options.TimeZone, f.zone = known, zone
	return nil
}

// canonicalZone is the name of a zone as the database spells it.
func canonicalZone(name string) string {
	for known := range shared().Zones {
		if strings.EqualFold(known, name) {
			return known
		}
	}
	return name
}

// renamedZones are zones that the CLDR keeps under their former names.
var renamedZones = map[string]string{
	"Asia/Kolkata": "Asia/Calcutta", "Asia/Ho_Chi_Minh": "Asia/Saigon", "Asia/Kathmandu": "Asia/Katmandu", "Asia/Yangon": "Asia/Rangoon", "Europe/Kyiv": "Europe/Kiev",
	"America/Argentina/Buenos_Aires": "America/Buenos_Aires", "America/Argentina/Cordoba": "America/Cordoba", "America/Indiana/Indianapolis": "America/Indianapolis",
	"America/Kentucky/Louisville": "America/Louisville", "Atlantic/Faroe": "Atlantic/Faeroe", "Africa/Asmara": "Africa/Asmera", "Pacific/Chuuk": "Pacific/Truk",
	"Pacific/Pohnpei": "Pacific/Ponape", "America/Nuuk": "America/Godthab",
}

// zoneName names the zone at a moment.
func (f *Date) zoneName(x field, t time.Time) string {
	if x.letter != 'O' {
		if name := f.ownZoneName(x, t); name != "" {
			return name
		}
	}
	return f.offset(t, x.count == 4)
}

// ownZoneName is the name that the locale has for the zone; "" if there is none.
func (f *Date) ownZoneName(x field, t time.Time) string {
	d := &f.locale.data.Dates
	id := f.options.TimeZone
	if id == "UTC" {
		id = "Etc/UTC"
	}
	if old, ok := renamedZones[id]; ok {
		id = old
	}
	for _, names := range []zoneNames{d.Zones[id], d.Metazones[shared().Zones[id]]} {
		of := names.Short
		if x.count == 4 {
			of = names.Long
		}
		name := of.Standard
		switch {
		case x.letter == 'v' && of.Generic != "":
			name = of.Generic
		case x.letter == 'v' && id != "Etc/UTC":
			name = ""
		case t.IsDST():
			name = of.Daylight
		}
		if name != "" {
			return name
		}
	}
	return ""
}

// offset is how far the zone is from GMT, such as GMT+5:30 or, long, GMT+05:30.
func (f *Date) offset(t time.Time, long bool) string {
	d := &f.locale.data.Dates
	_, seconds := t.Zone()
	if seconds == 0 {
		return d.GMTZero
	}
	east, west, _ := strings.Cut(d.Hour, ";")
	form := east
	if seconds < 0 {
		form, seconds = west, -seconds
	}
	hours, minutes := seconds/3600, seconds/60%60
	text := strings.NewReplacer("HH", fmt.Sprintf("%02d", hours), "H", strconv.Itoa(hours), "mm", fmt.Sprintf("%02d", minutes)).Replace(form)
	if !long {
		i := strings.IndexAny(form, "H")
		j := strings.LastIndexByte(form, 'H')
		text = form[:i] + strconv.Itoa(hours)
		if minutes != 0 {
			text += form[j+1:strings.Index(form, "mm")] + fmt.Sprintf("%02d", minutes)
		}
	}
	return strings.Replace(d.GMT, "{0}", text, 1)
}
