({ parseURL, changeURL, encodeUTF8, decodeUTF8 }) => {
  // application/x-www-form-urlencoded.
  const decode = (text) => {
    const bytes = [];
    const raw = new Uint8Array(encodeUTF8(text));
    for (let i = 0; i < raw.length; i++) {
      const c = raw[i];
      const hex = c === 0x25 && i + 2 < raw.length ? String.fromCharCode(raw[i + 1], raw[i + 2]) : "";
      if (/^[0-9a-fA-F]{2}$/.test(hex)) {
        bytes.push(parseInt(hex, 16));
        i += 2;
      } else bytes.push(c === 0x2b ? 0x20 : c);
    }
    return decodeUTF8(new Uint8Array(bytes), "utf-8", false);
  };
  const encode = (text) => {
    let out = "";
    for (const c of new Uint8Array(encodeUTF8(text))) {
      const s = String.fromCharCode(c);
      if (c === 0x20) out += "+";
      else if (/[A-Za-z0-9*\-._]/.test(s)) out += s;
      else out += "%" + c.toString(16).toUpperCase().padStart(2, "0");
    }
    return out;
  };
  const parse = (text) =>
    text.split("&").filter((part) => part !== "").map((part) => {
      const at = part.indexOf("=");
      return at < 0 ? [decode(part), ""] : [decode(part.slice(0, at)), decode(part.slice(at + 1))];
    });

  class URLSearchParams {
    #list = [];
    #changed = () => {};
    constructor(init = "") {
      if (typeof init === "object" && init !== null) {
        if (typeof init[Symbol.iterator] === "function") {
          for (const pair of init) {
            const [name, value, ...more] = pair;
            if (value === undefined || more.length > 0) {
              throw new TypeError("Each query pair must be an iterable [name, value] tuple");
            }
            this.#list.push([String(name), String(value)]);
          }
        } else for (const name of Object.keys(init)) this.#list.push([name, String(init[name])]);
      } else this.#list = parse(String(init).replace(/^\?/, ""));
    }
    static bind_(text, changed) {
      const params = new URLSearchParams(text);
      params.#changed = changed;
      return params;
    }
    reset_(text) {
      this.#list = parse(text.replace(/^\?/, ""));
    }
    get size() {
      return this.#list.length;
    }
    append(name, value) {
      this.#list.push([String(name), String(value)]);
      this.#changed(this.toString());
    }
    delete(name, value) {
      this.#list = this.#list.filter(([n, v]) => n !== String(name) || (value !== undefined && v !== String(value)));
      this.#changed(this.toString());
    }
    get(name) {
      return this.#list.find(([n]) => n === String(name))?.[1] ?? null;
    }
    getAll(name) {
      return this.#list.filter(([n]) => n === String(name)).map(([, v]) => v);
    }
    has(name, value) {
      return this.#list.some(([n, v]) => n === String(name) && (value === undefined || v === String(value)));
    }
    set(name, value) {
      const at = this.#list.findIndex(([n]) => n === String(name));
      if (at < 0) this.#list.push([String(name), String(value)]);
      else {
        this.#list[at][1] = String(value);
        this.#list = this.#list.filter(([n], i) => i <= at || n !== String(name));
      }
      this.#changed(this.toString());
    }
    sort() {
      this.#list.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      this.#changed(this.toString());
    }
    forEach(callback, thisArg) {
      for (const [name, value] of this.#list) callback.call(thisArg, value, name, this);
    }
    *entries() {
      for (const [name, value] of this.#list) yield [name, value];
    }
    *keys() {
      for (const [name] of this.#list) yield name;
    }
    *values() {
      for (const [, value] of this.#list) yield value;
    }
    [Symbol.iterator]() {
      return this.entries();
    }
    toString() {
      return this.#list.map(([name, value]) => encode(name) + "=" + encode(value)).join("&");
    }
    get [Symbol.toStringTag]() {
      return "URLSearchParams";
    }
  }

  class URL {
    #parts;
    #params;
    constructor(input, base) {
      this.#parts = parseURL(String(input), base === undefined ? undefined : String(base));
      if (this.#parts === undefined) throw new TypeError("Invalid URL");
    }
    static canParse(input, base) {
      return parseURL(String(input), base === undefined ? undefined : String(base)) !== undefined;
    }
    static parse(input, base) {
      return URL.canParse(input, base) ? new URL(input, base) : null;
    }
    #change(name, value) {
      this.#parts = changeURL(this.#parts.href, name, String(value));
      if (name === "search") this.#params?.reset_(this.#parts.search);
    }
    get href() {
      return this.#parts.href;
    }
    set href(value) {
      const parts = parseURL(String(value));
      if (parts === undefined) throw new TypeError("Invalid URL");
      this.#parts = parts;
      this.#params?.reset_(parts.search);
    }
    get origin() {
      return this.#parts.origin;
    }
    get protocol() {
      return this.#parts.protocol;
    }
    set protocol(value) {
      this.#change("protocol", value);
    }
    get username() {
      return this.#parts.username;
    }
    set username(value) {
      this.#change("username", value);
    }
    get password() {
      return this.#parts.password;
    }
    set password(value) {
      this.#change("password", value);
    }
    get host() {
      return this.#parts.host;
    }
    set host(value) {
      this.#change("host", value);
    }
    get hostname() {
      return this.#parts.hostname;
    }
    set hostname(value) {
      this.#change("hostname", value);
    }
    get port() {
      return this.#parts.port;
    }
    set port(value) {
      this.#change("port", value);
    }
    get pathname() {
      return this.#parts.pathname;
    }
    set pathname(value) {
      this.#change("pathname", value);
    }
    get search() {
      return this.#parts.search;
    }
    set search(value) {
      this.#change("search", value);
    }
    get hash() {
      return this.#parts.hash;
    }
    set hash(value) {
      this.#change("hash", value);
    }
    get searchParams() {
      this.#params ??= URLSearchParams.bind_(this.#parts.search, (text) => {
        this.#parts = changeURL(this.#parts.href, "search", text);
      });
      return this.#params;
    }
    toString() {
      return this.#parts.href;
    }
    toJSON() {
      return this.#parts.href;
    }
    get [Symbol.toStringTag]() {
      return "URL";
    }
  }
  return { URL, URLSearchParams };
}
