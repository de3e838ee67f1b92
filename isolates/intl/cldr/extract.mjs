// Extracts what isolates/intl needs of the Unicode CLDR: a file for each locale, and shared.json.gz for all.
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const locales = `en en-001 en-AU en-CA en-GB en-IE en-IN en-NZ en-ZA de de-AT de-CH fr fr-CA fr-CH es es-419 es-MX it pt pt-PT nl sv da nb fi is pl cs sk hu ro
bg hr sl et lv lt el tr ru uk ja ko zh zh-Hant id ms vi hi`.split(/\s+/);
const units = `digital-byte digital-kilobyte digital-megabyte digital-gigabyte digital-terabyte digital-bit concentr-percent duration-millisecond duration-second
duration-minute duration-hour duration-day duration-week duration-month duration-year length-millimeter length-centimeter length-meter length-kilometer length-inch
length-foot length-yard length-mile mass-gram mass-kilogram mass-ounce mass-pound volume-milliliter volume-liter volume-gallon temperature-celsius
temperature-fahrenheit speed-kilometer-per-hour speed-mile-per-hour speed-meter-per-second angle-degree area-acre area-hectare`.split(/\s+/);
const named = `USD EUR GBP JPY CNY INR KRW BRL CAD AUD CHF SEK NOK DKK PLN CZK HUF RON BGN TRY RUB UAH MXN ZAR NZD SGD HKD TWD THB IDR MYR PHP VND ILS AED SAR ARS
CLP COP PEN BTC`.split(/\s+/);

const json = (pkg, path) => JSON.parse(readFileSync(`node_modules/${pkg}/${path}.json`, "utf8"));
const main = (pkg, locale, file) => json(pkg, `main/${locale}/${file}`).main[locale];
const pick = (o, ...names) => Object.fromEntries(names.filter((n) => o[n] !== undefined).map((n) => [n, o[n]]));

function numbersOf(locale) {
  const n = main("cldr-numbers-full", locale, "numbers").numbers;
  const of = (name) => n[`${name}-numberSystem-latn`];
  const currencies = {};
  for (const [code, c] of Object.entries(main("cldr-numbers-full", locale, "currencies").numbers.currencies)) {
    const kept = {};
    if (c.symbol && c.symbol !== code) kept.symbol = c.symbol;
    if (c["symbol-alt-narrow"]) kept.narrow = c["symbol-alt-narrow"];
    if (named.includes(code)) {
      kept.names = {};
      for (const [k, v] of Object.entries(c)) {
        if (k.startsWith("displayName")) kept.names[k === "displayName" ? "" : k.slice("displayName-count-".length)] = v;
      }
    }
    if (Object.keys(kept).length > 0) currencies[code] = kept;
  }
  const currency = of("currencyFormats");
  return {
    symbols: pick(of("symbols"), "decimal", "group", "percentSign", "plusSign", "minusSign", "exponential", "infinity", "nan", "currencyDecimal", "currencyGroup"),
    minimumGrouping: Number(n.minimumGroupingDigits),
    decimal: of("decimalFormats").standard,
    percent: of("percentFormats").standard,
    currency: pick(currency, "standard", "accounting", "standard-alphaNextToNumber", "accounting-alphaNextToNumber"),
    currencyName: Object.fromEntries(Object.entries(currency).filter(([k]) => k.startsWith("unitPattern-count-")).map(([k, v]) => [k.slice(18), v])),
    compact: {
      short: of("decimalFormats").short.decimalFormat,
      long: of("decimalFormats").long.decimalFormat,
      currency: currency.short?.standard,
    },
    currencies,
  };
}

function datesOf(locale) {
  const g = main("cldr-dates-full", locale, "ca-gregorian").dates.calendars.gregorian;
  const three = (o) => pick(o, "wide", "abbreviated", "narrow");
  const plain = (o) => Object.fromEntries(Object.entries(o).map(([k, v]) => [k, typeof v === "string" ? v : v._value]).filter(([k]) => !k.includes("-alt-")));
  const zones = main("cldr-dates-full", locale, "timeZoneNames").dates.timeZoneNames;
  const metazones = {};
  for (const [name, m] of Object.entries(zones.metazone ?? {})) metazones[name] = pick(m, "long", "short");
  return {
    months: { format: three(g.months.format), alone: three(g.months["stand-alone"]) },
    days: { format: three(g.days.format), alone: three(g.days["stand-alone"]) },
    periods: { wide: pick(g.dayPeriods.format.wide, "am", "pm"), abbreviated: pick(g.dayPeriods.format.abbreviated, "am", "pm"), narrow: pick(g.dayPeriods.format.narrow, "am", "pm") },
    eras: { wide: pick(g.eras.eraNames, "0", "1"), abbreviated: pick(g.eras.eraAbbr, "0", "1"), narrow: pick(g.eras.eraNarrow, "0", "1") },
    date: plain(pick(g.dateFormats, "full", "long", "medium", "short")),
    time: plain(pick(g.timeFormats, "full", "long", "medium", "short")),
    join: plain(pick(g.dateTimeFormats, "full", "long", "medium", "short")),
    at: plain(pick(g["dateTimeFormats-atTime"].standard, "full", "long", "medium", "short")),
    available: plain(g.dateTimeFormats.availableFormats),
    append: plain(g.dateTimeFormats.appendItems),
    gmt: zones.gmtFormat, gmtZero: zones.gmtZeroFormat, hour: zones.hourFormat, metazones,
    zones: zoneNames(zones.zone ?? {}),
  };
}

// The names that zones have of their own, such as British Summer Time.
function zoneNames(o, path = "", out = {}) {
  for (const [k, v] of Object.entries(o)) {
    if (typeof v !== "object") continue;
    const at = path === "" ? k : `${path}/${k}`;
    const own = pick(v, "long", "short");
    if (v.exemplarCity !== undefined || Object.keys(own).length > 0) {
      if (Object.keys(own).length > 0) out[at] = own;
    } else zoneNames(v, at, out);
  }
  return out;
}

function fieldsOf(locale) {
  const f = main("cldr-dates-full", locale, "dateFields").dates.fields;
  const out = {};
  for (const unit of ["year", "quarter", "month", "week", "day", "hour", "minute", "second"]) {
    for (const style of ["", "-short", "-narrow"]) {
      const o = f[unit + style];
      const kept = {};
      for (const [k, v] of Object.entries(o)) {
        const relative = /^relative-type-(.*)$/.exec(k);
        const time = /^relativeTime-type-(.*)$/.exec(k);
        if (relative) kept[relative[1]] = v;
        if (time) kept[time[1]] = Object.fromEntries(Object.entries(v).map(([p, t]) => [p.replace("relativeTimePattern-count-", ""), t]));
      }
      out[unit + style] = kept;
    }
  }
  return out;
}

function listsOf(locale) {
  const l = main("cldr-misc-full", locale, "listPatterns").listPatterns;
  return Object.fromEntries(Object.entries(l).map(([k, v]) => [k.replace("listPattern-type-", ""), v]));
}

function unitsOf(locale) {
  const u = main("cldr-units-full", locale, "units").units;
  const out = {};
  for (const style of ["long", "short", "narrow"]) {
    out[style] = {};
    for (const unit of units) {
      const o = u[style][unit];
      if (!o) continue;
      out[style][unit.replace(/^[a-z]+-/, "")] = Object.fromEntries(Object.entries(o).filter(([k]) => /^unitPattern-count-[a-z]+$/.test(k)).map(([k, v]) => [k.slice(18), v]));
    }
  }
  return out;
}

const supplemental = (name) => json("cldr-core", `supplemental/${name}`).supplemental;
const digits = {};
for (const [code, f] of Object.entries(supplemental("currencyData").currencyData.fractions)) {
  if (Number(f._digits) !== 2 || code === "DEFAULT") digits[code] = Number(f._digits);
}
const zones = {};
for (const [area, rest] of Object.entries(supplemental("metaZones").metaZones.metazoneInfo.timezone)) {
  const walk = (path, o) => {
    if (Array.isArray(o)) zones[path] = o.at(-1).usesMetazone._mzone;
    else for (const [k, v] of Object.entries(o)) walk(`${path}/${k}`, v);
  };
  walk(area, rest);
}
const write = (name, o) => writeFileSync(`${name}.json.gz`, gzipSync(JSON.stringify(o), { level: 9 }));
write("shared", { digits, zones, parents: pick(supplemental("parentLocales").parentLocales.parentLocale, ...locales) });
for (const l of locales) write(l, { numbers: numbersOf(l), dates: datesOf(l), relative: fieldsOf(l), lists: listsOf(l), units: unitsOf(l) });
