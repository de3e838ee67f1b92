({ intl, now }) => {
  // Locales and options as text, which also names the formatter that is kept for them.
  const list = (locales) => {
    if (locales === undefined) return "[]";
    if (typeof locales === "string") return JSON.stringify([locales]);
    if (typeof locales !== "object" || locales === null) throw new TypeError("Incorrect locale information provided");
    return JSON.stringify(Array.from(locales, (l) => {
      if (typeof l !== "string" && (typeof l !== "object" || l === null)) throw new TypeError("Incorrect locale information provided");
      return String(l);
    }));
  };
  const read = (options, texts, numbers = [], others = []) => {
    const out = {};
    if (options === undefined) return "{}";
    const from = Object(options);
    if (options === null) throw new TypeError("Cannot convert undefined or null to object");
    for (const name of texts) if (from[name] !== undefined) out[name] = String(from[name]);
    for (const name of numbers) {
      if (from[name] === undefined) continue;
      const n = Number(from[name]);
      if (!Number.isFinite(n)) throw new RangeError(`${name} value is out of range.`);
      out[name] = Math.floor(n);
    }
    for (const name of others) {
      const v = from[name];
      if (v !== undefined) out[name] = typeof v === "boolean" ? v : v === null ? false : String(v);
    }
    return JSON.stringify(out);
  };
  const digits = ["minimumIntegerDigits", "minimumFractionDigits", "maximumFractionDigits", "minimumSignificantDigits", "maximumSignificantDigits"];
  const numberTexts = ["style", "currency", "currencyDisplay", "currencySign", "unit", "unitDisplay", "notation", "compactDisplay", "signDisplay", "roundingMode"];
  const dateTexts = ["weekday", "era", "year", "month", "day", "hour", "minute", "second", "timeZoneName", "dateStyle", "timeStyle", "hourCycle", "timeZone"];
  // A number as Go reads it: BigInts and numbers that are written out keep all their digits.
  const numeric = (value) => {
    if (typeof value === "bigint") return String(value);
    if (typeof value === "string" && /^\s*[+-]?\d+(\.\d+)?\s*$/.test(value)) return value.trim().replace("+", "");
    return Number(value);
  };
  const dateOptions = (options) => {
    const o = Object(options ?? {});
    if (o.dayPeriod !== undefined) throw new RangeError("dayPeriod is not supported by this server");
    for (const name of ["calendar", "numberingSystem"]) {
      if (o[name] !== undefined && !["gregory", "latn", "iso8601"].includes(String(o[name]))) throw new RangeError(`${name} ${o[name]} is not supported by this server`);
    }
    if (options !== undefined && (o.dateStyle !== undefined || o.timeStyle !== undefined)) {
      for (const name of [...dateTexts.slice(0, 9), "fractionalSecondDigits"]) {
        if (o[name] !== undefined) throw new TypeError(`Can't set option ${name} when ${o.dateStyle !== undefined ? "dateStyle" : "timeStyle"} is used`);
      }
    }
    return read(options, dateTexts, ["fractionalSecondDigits"], ["hour12"]);
  };
  const moment = (date) => {
    const t = date === undefined ? now() : Number(date);
    if (!Number.isFinite(t) || Math.abs(t) > 8.64e15) throw new RangeError("Invalid time value");
    return t;
  };
  const range = (a, b, approximate, between) => (a === b ? (approximate ? "~" + a : a) : a + between + b);

  // What all formatters have: a kind that Go knows them by, locales and options.
  class Formatter {
    #kind;
    #locales;
    #options;
    constructor(kind, locales, options) {
      this.#kind = kind;
      this.#locales = locales;
      this.#options = options;
      this.ask_("resolved");
    }
    ask_(what, ...values) {
      return intl(this.#kind, what, this.#locales, this.#options, ...values);
    }
    resolvedOptions() {
      return JSON.parse(this.ask_("resolved"));
    }
  }
  Object.defineProperty(Formatter.prototype, "ask_", { enumerable: false });

  class NumberFormat extends Formatter {
    #format;
    constructor(locales, options) {
      super("number", list(locales), read(options, numberTexts, digits, ["useGrouping"]));
      if (options !== undefined && Object(options).style === "currency" && Object(options).currency === undefined) {
        throw new TypeError("Currency code is required with currency style.");
      }
      if (options !== undefined && Object(options).style === "unit" && Object(options).unit === undefined) {
        throw new TypeError("Unit is required with unit style.");
      }
    }
    get format() {
      return (this.#format ??= (value) => this.ask_("text", numeric(value)));
    }
    formatToParts(value) {
      return JSON.parse(this.ask_("parts", numeric(value)));
    }
    formatRange(start, end) {
      return range(this.format(start), this.format(end), true, "–");
    }
  }
  class DateTimeFormat extends Formatter {
    #format;
    constructor(locales, options, fallback = "default") {
      super("date:" + fallback, list(locales), dateOptions(options));
    }
    get format() {
      return (this.#format ??= (date) => this.ask_("text", moment(date)));
    }
    formatToParts(date) {
      return JSON.parse(this.ask_("parts", moment(date)));
    }
    formatRange(start, end) {
      return range(this.format(start), this.format(end), false, " – ");
    }
  }
  class PluralRules extends Formatter {
    constructor(locales, options) {
      const type = options === undefined ? "cardinal" : String(Object(options).type ?? "cardinal");
      if (type !== "cardinal" && type !== "ordinal") throw new RangeError(`Value ${type} out of range for Intl.PluralRules options property type`);
      super("plural:" + type, list(locales), read(options, ["notation", "roundingMode"], digits));
    }
    select(n) {
      return this.ask_("text", Number(n));
    }
  }
  class RelativeTimeFormat extends Formatter {
    constructor(locales, options) {
      super("relative", list(locales), read(options, ["style", "numeric"]));
    }
    format(value, unit) {
      return this.ask_("text", Number(value), String(unit));
    }
    formatToParts(value, unit) {
      return JSON.parse(this.ask_("parts", Number(value), String(unit)));
    }
  }
  class ListFormat extends Formatter {
    constructor(locales, options) {
      super("list", list(locales), read(options, ["type", "style"]));
    }
    #items(items) {
      return JSON.stringify(Array.from(items ?? [], (item) => {
        if (typeof item !== "string") throw new TypeError("Iterable yielded " + String(item) + " which is not a string");
        return item;
      }));
    }
    format(items) {
      return this.ask_("text", this.#items(items));
    }
    formatToParts(items) {
      return JSON.parse(this.ask_("parts", this.#items(items)));
    }
  }
  class Collator extends Formatter {
    #compare;
    constructor(locales, options) {
      super("collator", list(locales), read(options, ["usage", "sensitivity", "caseFirst"], [], ["numeric", "ignorePunctuation"]));
    }
    get compare() {
      return (this.#compare ??= (a, b) => this.ask_("compare", String(a), String(b)));
    }
  }

  // The constructors that may be called without new, as the language has them.
  const callable = (Class, bare) => {
    const name = Class.name;
    const make = { [name]: function (locales, options) {
      if (!bare && !new.target) throw new TypeError(`Constructor Intl.${name} requires 'new'`);
      return new Class(locales, options);
    } }[name];
    make.prototype = Class.prototype;
    Object.defineProperty(Class.prototype, "constructor", { value: make, writable: true, enumerable: false, configurable: true });
    Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: "Intl." + name, configurable: true });
    Object.defineProperty(make, "supportedLocalesOf", { value: (locales) => JSON.parse(intl("", "supported", list(locales), "{}")), writable: true, configurable: true });
    return make;
  };
  const Intl = {};
  for (const [Class, bare] of [[NumberFormat, true], [DateTimeFormat, true], [Collator, true], [PluralRules], [RelativeTimeFormat], [ListFormat]]) {
    Object.defineProperty(Intl, Class.name, { value: callable(Class, bare), writable: true, enumerable: false, configurable: true });
  }
  Object.defineProperty(Intl, "getCanonicalLocales", { value: (locales) => JSON.parse(intl("", "canonical", list(locales), "{}")), writable: true, configurable: true });
  Object.defineProperty(Intl, Symbol.toStringTag, { value: "Intl", configurable: true });
  return {
    Intl,
    localeNumber_: (value, locales, options) => new NumberFormat(locales, options).format(value),
    localeDate_: (value, locales, options, fallback) => (Number.isNaN(value) ? "Invalid Date" : new DateTimeFormat(locales, options, fallback).format(value)),
    localeCompare_: (a, b, locales, options) => new Collator(locales, options).compare(a, b),
  };
}
