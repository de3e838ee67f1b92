() => {
  const checkName = (name) => {
    name = String(name);
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) throw new TypeError(`Invalid header name: '${name}'`);
    return name.toLowerCase();
  };
  const checkValue = (value) => {
    value = String(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
    if (/[\0\n\r]/.test(value)) throw new TypeError("Invalid header value");
    return value;
  };
  class Headers {
    #list = new Map();
    constructor(init) {
      if (init === undefined || init === null) return;
      const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
      for (const [name, value] of pairs) this.append(name, value);
    }
    append(name, value) {
      name = checkName(name);
      this.#list.set(name, [...(this.#list.get(name) ?? []), checkValue(value)]);
    }
    set(name, value) {
      this.#list.set(checkName(name), [checkValue(value)]);
    }
    get(name) {
      return this.#list.get(checkName(name))?.join(", ") ?? null;
    }
    has(name) {
      return this.#list.has(checkName(name));
    }
    delete(name) {
      this.#list.delete(checkName(name));
    }
    getSetCookie() {
      return [...(this.#list.get("set-cookie") ?? [])];
    }
    forEach(callback, thisArg) {
      for (const [name, value] of this) callback.call(thisArg, value, name, this);
    }
    *entries() {
      for (const name of [...this.#list.keys()].sort()) {
        if (name === "set-cookie") for (const value of this.#list.get(name)) yield [name, value];
        else yield [name, this.get(name)];
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
    get [Symbol.toStringTag]() {
      return "Headers";
    }
  }
  return { Headers };
}
