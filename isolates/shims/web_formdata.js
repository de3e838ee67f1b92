({ web }) => {
  const fileOf = (value, filename) => {
    const { Blob, File } = { Blob: web("Blob"), File: web("File") };
    if (!(value instanceof Blob)) throw new TypeError("FormData: the value with a filename is not a Blob");
    if (value instanceof File && filename === undefined) return value;
    const name = filename === undefined ? "blob" : String(filename);
    return new File([value], name, { type: value.type, lastModified: value.lastModified });
  };
  const entry = (args, method) => {
    if (args.length < 2) throw new TypeError(`FormData.${method} requires at least 2 arguments`);
    const [name, value, filename] = args;
    const isFile = args.length > 2 || value instanceof web("Blob");
    const wellFormed = (text) => String(text).toWellFormed();
    return [wellFormed(name), isFile ? fileOf(value, filename) : wellFormed(value)];
  };
  class FormData {
    #list = [];
    constructor(form) {
      if (form !== undefined) throw new TypeError("FormData: there are no forms here to construct from");
    }
    append(...args) {
      this.#list.push(entry(args, "append"));
    }
    set(...args) {
      const pair = entry(args, "set");
      const at = this.#list.findIndex(([name]) => name === pair[0]);
      if (at < 0) {
        this.#list.push(pair);
        return;
      }
      this.#list = this.#list.filter(([name], i) => i === at || name !== pair[0]);
      this.#list[at] = pair;
    }
    get(name) {
      return this.#list.find((pair) => pair[0] === String(name))?.[1] ?? null;
    }
    getAll(name) {
      return this.#list.filter((pair) => pair[0] === String(name)).map((pair) => pair[1]);
    }
    has(name) {
      return this.#list.some((pair) => pair[0] === String(name));
    }
    delete(name) {
      this.#list = this.#list.filter((pair) => pair[0] !== String(name));
    }
    forEach(callback, thisArg) {
      for (const [name, value] of this) callback.call(thisArg, value, name, this);
    }
    *entries() {
      for (let i = 0; i < this.#list.length; i++) yield [...this.#list[i]];
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
      return "FormData";
    }
  }
  return { FormData };
}
