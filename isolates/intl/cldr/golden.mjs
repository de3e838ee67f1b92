// Writes ../testdata/node.json: what Node's Intl gives for many locales, options and values.
import { writeFileSync } from "node:fs";

const locales = ["en-US", "en-GB", "en-CA", "en-IN", "en-AU", "de-DE", "de-AT", "de-CH", "fr-FR", "fr-CA", "es-ES", "es-MX", "it-IT", "pt-BR", "pt-PT", "nl-NL", "sv-SE", "da-DK",
  "nb-NO", "fi-FI", "pl-PL", "cs-CZ", "tr-TR", "ru-RU", "uk-UA", "ja-JP", "ko-KR", "zh-CN", "zh-TW", "id-ID", "vi-VN", "hu-HU", "el-GR", "hi-IN"];
const numbers = [
  [{}, [0, -0, 1, 12.5, 999.9995, 1234.567, -1234567.891, 1e21, 0.000001234, NaN, Infinity, -Infinity]],
  [{ style: "percent" }, [0.256, 1, -12.3]],
  [{ style: "percent", maximumFractionDigits: 1 }, [0.2567]],
  [{ style: "currency", currency: "USD" }, [0, 1234.5, -1234.567]],
  [{ style: "currency", currency: "EUR" }, [1234567.891, -0.5]],
  [{ style: "currency", currency: "JPY" }, [1234.5]],
  [{ style: "currency", currency: "CHF", currencyDisplay: "code" }, [1234.5]],
  [{ style: "currency", currency: "USD", currencyDisplay: "name" }, [1, 2.5]],
  [{ style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", minimumFractionDigits: 0 }, [1234]],
  [{ style: "currency", currency: "EUR", currencySign: "accounting" }, [-1234.5]],
  [{ minimumFractionDigits: 2 }, [1, 1.005, 2.5]],
  [{ maximumFractionDigits: 0 }, [0.5, 1.5, 2.5, 99.9]],
  [{ minimumFractionDigits: 2, maximumFractionDigits: 4 }, [1.23456, 1.2]],
  [{ maximumSignificantDigits: 3 }, [123456, 0.0012345, 9.999]],
  [{ minimumSignificantDigits: 4 }, [1, 123456]],
  [{ minimumIntegerDigits: 3 }, [5, 1234]],
  [{ useGrouping: false }, [1234567]],
  [{ signDisplay: "always" }, [5, 0, -5]],
  [{ signDisplay: "exceptZero" }, [5, 0, -5]],
  [{ signDisplay: "never" }, [-5]],
  [{ notation: "compact" }, [0, 12, 999, 1234, 15300, 999999, 1234567, 1.5e9, 2e12, -4567]],
  [{ notation: "compact", compactDisplay: "long" }, [1234, 1000000, 2500000]],
  [{ notation: "compact", style: "currency", currency: "USD" }, [1234, 1234567]],
  [{ notation: "compact", maximumFractionDigits: 2 }, [123456]],
  [{ notation: "scientific" }, [123456, 0.00012]],
  [{ notation: "engineering" }, [123456]],
  [{ style: "unit", unit: "kilometer" }, [1, 12.5]],
  [{ style: "unit", unit: "megabyte", unitDisplay: "long" }, [1, 1500]],
  [{ style: "unit", unit: "celsius", unitDisplay: "narrow" }, [21]],
  [{ style: "unit", unit: "kilometer-per-hour" }, [100]],
];
const zones = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata"];
const moments = [Date.UTC(2026, 0, 5, 9, 4, 7, 89), Date.UTC(2026, 6, 14, 23, 30, 0)];
const dates = [
  {}, { dateStyle: "full" }, { dateStyle: "long" }, { dateStyle: "medium" }, { dateStyle: "short" }, { timeStyle: "short" }, { timeStyle: "medium" }, { timeStyle: "long" },
  { dateStyle: "full", timeStyle: "short" }, { dateStyle: "medium", timeStyle: "medium" }, { dateStyle: "short", timeStyle: "short" },
  { year: "numeric", month: "long", day: "numeric" }, { year: "numeric", month: "short", day: "numeric" }, { year: "numeric", month: "2-digit", day: "2-digit" },
  { weekday: "long", year: "numeric", month: "long", day: "numeric" }, { weekday: "short", month: "short", day: "numeric" }, { weekday: "long" }, { month: "long" }, { month: "short", year: "numeric" },
  { month: "long", year: "numeric" }, { month: "long", day: "numeric" }, { month: "numeric", day: "numeric" }, { year: "numeric" }, { year: "2-digit", month: "2-digit", day: "2-digit" },
  { hour: "numeric", minute: "2-digit" }, { hour: "2-digit", minute: "2-digit", second: "2-digit" }, { hour: "numeric", minute: "2-digit", hour12: false }, { hour: "numeric", minute: "2-digit", hour12: true },
  { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }, { hour: "numeric" },
  { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "2-digit" }, { year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit" },
  { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }, { hour: "numeric", minute: "2-digit", timeZoneName: "short" }, { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 },
];
const out = { icu: process.versions.icu, numbers: [], dates: [], plurals: [], relative: [], lists: [] };
for (const locale of locales) {
  for (const [options, values] of numbers) {
    const f = new Intl.NumberFormat(locale, options);
    for (const v of values) out.numbers.push([locale, options, String(Object.is(v, -0) ? "-0" : v), f.format(v)]);
  }
  for (const options of dates) {
    for (const timeZone of options.timeZoneName || options.timeStyle === "long" ? zones : zones.slice(0, 2)) {
      const f = new Intl.DateTimeFormat(locale, { ...options, timeZone });
      for (const m of options.timeZoneName ? moments : moments.slice(0, 1)) out.dates.push([locale, { ...options, timeZone }, m, f.format(m)]);
    }
  }
  for (const type of ["cardinal", "ordinal"]) {
    const p = new Intl.PluralRules(locale, { type });
    out.plurals.push([locale, type, [0, 1, 2, 3, 4, 5, 11, 12, 21, 22, 23, 100, 1.5].map((n) => [n, p.select(n)])]);
  }
  for (const numeric of ["always", "auto"]) {
    for (const style of ["long", "short"]) {
      const r = new Intl.RelativeTimeFormat(locale, { numeric, style });
      for (const [n, unit] of [[-1, "day"], [0, "day"], [1, "day"], [-3, "hour"], [2, "week"], [5, "minute"], [-1.5, "year"], [1000, "second"]]) out.relative.push([locale, numeric, style, n, unit, r.format(n, unit)]);
    }
  }
  for (const type of ["conjunction", "disjunction", "unit"]) {
    for (const style of ["long", "short"]) {
      const l = new Intl.ListFormat(locale, { type, style });
      for (const items of [["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]]) out.lists.push([locale, type, style, items, l.format(items)]);
    }
  }
}
const lines = Object.entries(out).map(([k, v]) => `${JSON.stringify(k)}: ${Array.isArray(v) ? `[\n${v.map((x) => JSON.stringify(x)).join(",\n")}\n]` : JSON.stringify(v)}`);
writeFileSync("../testdata/node.json", `{\n${lines.join(",\n")}\n}\n`);
