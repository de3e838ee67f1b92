package intl

import (
	"math"
	"strconv"
	"strings"
)

// A decimal is 0.digits × 10^point, exactly. digits has neither leading nor trailing zeros; zero has none.
type decimal struct {
	digits   string
	point    int
	neg      bool
	nan, inf bool
}

// parseDecimal reads a number as JavaScript writes it.
func parseDecimal(text string) decimal {
	switch text {
	case "NaN":
		return decimal{nan: true}
	case "Infinity":
		return decimal{inf: true}
	case "-Infinity":
		return decimal{inf: true, neg: true}
	}
	var d decimal
	text, d.neg = strings.CutPrefix(text, "-")
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	e, _ := strconv.Atoi(exponent)
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return d.normal(whole+fraction, len(whole)+e)
}

// ofFloat is the shortest decimal that means x.
func ofFloat(x float64) decimal {
	switch {
	case math.IsNaN(x):
		return decimal{nan: true}
	case math.IsInf(x, 0):
		return decimal{inf: true, neg: x < 0}
	}
	d := parseDecimal(strconv.FormatFloat(x, 'e', -1, 64))
	d.neg = math.Signbit(x)
	return d
}

func (d decimal) normal(digits string, point int) decimal {
	trimmed := strings.TrimLeft(digits, "0")
	point -= len(digits) - len(trimmed)
	d.digits, d.point = strings.TrimRight(trimmed, "0"), point
	if d.digits == "" {
		d.point = 0
	}
	return d
}

func (d decimal) zero() bool { return d.digits == "" && !d.nan && !d.inf }

// shift is d × 10^n.
func (d decimal) shift(n int) decimal {
	if d.digits != "" {
		d.point += n
	}
	return d
}

// magnitude is the exponent of the first digit: 2 for 100.
func (d decimal) magnitude() int {
	if d.digits == "" {
		return 0
	}
	return d.point - 1
}

// round keeps n digits before the rest, half away from zero. n may be negative.
func (d decimal) round(n int) decimal {
	if n >= len(d.digits) || d.nan || d.inf {
		return d
	}
	up := n >= 0 && d.digits[n] >= '5'
	if n < 0 {
		return d.normal("", 0)
	}
	kept := []byte("0" + d.digits[:n])
	for i := len(kept) - 1; up; i-- {
		up = kept[i] == '9'
		if kept[i]++; up {
			kept[i] = '0'
		}
	}
	return d.normal(string(kept), d.point+1)
}

func (d decimal) roundFraction(n int) decimal { return d.round(d.point + n) }

// parts are the digits before and after the point, with at least so many of the latter.
func (d decimal) parts(fraction int) (whole, rest string) {
	switch {
	case d.point <= 0:
		whole, rest = "0", strings.Repeat("0", -d.point)+d.digits
	case d.point >= len(d.digits):
		whole = d.digits + strings.Repeat("0", d.point-len(d.digits))
	default:
		whole, rest = d.digits[:d.point], d.digits[d.point:]
	}
	if d.digits == "" {
		whole, rest = "0", ""
	}
	return whole, rest + strings.Repeat("0", max(0, fraction-len(rest)))
}
