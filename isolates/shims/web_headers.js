() => {
  const bytes = (v) => {
    v = String(v);
    if (/[^\0-\xff]/.test(v)) throw new TypeError("Cannot convert argument to a ByteString: a character is greater than 255");
    return v;
  };
  const checkName = (name) => {
    name = bytes(name);
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) throw new TypeError(`Invalid header name: '${name}'`);
    return name.toLowerCase();
  };
  const checkValue = (value) => {
    value = bytes(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
    if (/[\0\n\r]/.test(value)) throw new TypeError("Invalid header value");
    return value;
  };
  class Headers {
    #list = new Map();
    #immutable = false;
    constructor(init) {
      if (init === undefined) return;
      if (init === null || (typeof init !== "object" && typeof init !== "function")) {
        throw new TypeError("Headers: the value is neither a sequence of pairs nor a record");
      }
      if (typeof init[Symbol.iterator] === "function") {
        for (const pair of init) {
          if (pair === null || typeof pair !== "object" || typeof pair[Symbol.iterator] !== "function") {
            throw new TypeError("Each header pair must be an iterable object");
          }
          const list = [...pair];
          if (list.length !== 2) throw new TypeError("Each header pair must be a name/value tuple");
          this.append(list[0], list[1]);
        }
        return;
      }
      for (const name of Reflect.ownKeys(init)) {
        if (!Object.getOwnPropertyDescriptor(init, name)?.enumerable) continue;
        if (typeof name === "symbol") throw new TypeError("Cannot convert a Symbol value to a string");
        this.append(name, init[name]);
      }
    }
    #writable() {
      if (this.#immutable) throw new TypeError("Headers are immutable");
    }
    static immutable_(headers) {
      headers.#immutable = true;
      return headers;
    }
    append(name, value) {
      name = checkName(name);
      value = checkValue(value);
      this.#writable();
      const list = this.#list.get(name);
      if (list === undefined) this.#list.set(name, [value]);
      else list.push(value);
    }
    set(name, value) {
      name = checkName(name);
      value = checkValue(value);
      this.#writable();
      this.#list.set(name, [value]);
    }
    get(name) {
      return this.#list.get(checkName(name))?.join(", ") ?? null;
    }
    has(name) {
      return this.#list.has(checkName(name));
    }
    delete(name) {
      name = checkName(name);
      this.#writable();
      this.#list.delete(name);
    }
    getSetCookie() {
      return [...(this.#list.get("set-cookie") ?? [])];
    }
    forEach(callback, thisArg) {
      if (typeof callback !== "function") throw new TypeError("Headers.forEach: the callback is not a function");
      for (const [name, value] of this) callback.call(thisArg, value, name, this);
    }
    // The i-th pair in order: an iterator sees what is changed while it is under way.
    #pairs() {
      const out = [];
      for (const name of [...this.#list.keys()].sort()) {
        if (name === "set-cookie") for (const value of this.#list.get(name)) out.push([name, value]);
        else out.push([name, this.#list.get(name).join(", ")]);
      }
      return out;
    }
    *entries() {
      for (let i = 0; ; i++) {
        const pair = this.#pairs()[i];
        if (pair === undefined) return;
        yield pair;
      }
    }
    *keys() {
      for (const [name] of this) yield name;
    }
    *values() {
      for (const [, value] of this) yield value;
    }
    [Symbol.iterator]() {
      return this.entries();
    }
    // The pairs as the host takes them: several values of a name stay apart.
    pairs_() {
      const out = [];
      for (const [name, list] of this.#list) for (const value of list) out.push([name, value]);
      return out;
    }
    get [Symbol.toStringTag]() {
      return "Headers";
    }
  }
  return { Headers };
}
