({ web, encodeUTF8, decodeUTF8, refuseIn }) => {
  const bytesOf = (part, native) => {
    if (part instanceof Blob) return part.bytes_();
    if (part instanceof ArrayBuffer) return new Uint8Array(part);
    if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    const text = String(part);
    return new Uint8Array(encodeUTF8(native ? text.replace(/\r\n|\r/g, "\n") : text));
  };
  const typeOf = (type) => (/[^ -~]/.test(type) ? "" : String(type).toLowerCase());
  // Clamps an index as Array.prototype.slice does.
  const clamp = (i, size, otherwise) => {
    if (i === undefined) return otherwise;
    i = Math.trunc(Number(i)) || 0;
    return i < 0 ? Math.max(0, size + i) : Math.min(i, size);
  };
  class Blob {
    #bytes;
    #type;
    constructor(parts = [], options = {}) {
      if (parts === null || typeof parts !== "object" || typeof parts[Symbol.iterator] !== "function") {
        throw new TypeError("The provided value cannot be converted to a sequence.");
      }
      const { type = "", endings = "transparent" } = options ?? {};
      const list = [...parts].map((part) => bytesOf(part, endings === "native"));
      this.#bytes = new Uint8Array(list.reduce((n, b) => n + b.length, 0));
      let at = 0;
      for (const b of list) {
        this.#bytes.set(b, at);
        at += b.length;
      }
      this.#type = typeOf(type);
    }
    get size() {
      return this.#bytes.length;
    }
    get type() {
      return this.#type;
    }
    bytes_() {
      return this.#bytes;
    }
    slice(start, end, type = "") {
      const size = this.size;
      const from = clamp(start, size, 0);
      return new Blob([this.#bytes.subarray(from, Math.max(from, clamp(end, size, size)))], { type });
    }
    stream() {
      refuseIn("stream");
      return web("body_").streamOfBytes(this.#bytes);
    }
    async arrayBuffer() {
      return this.#bytes.slice().buffer;
    }
    async bytes() {
      return this.#bytes.slice();
    }
    async text() {
      return decodeUTF8(this.#bytes, "utf-8", false);
    }
    get [Symbol.toStringTag]() {
      return "Blob";
    }
  }
  class File extends Blob {
    #name;
    #modified;
    constructor(parts, name, options = {}) {
      if (arguments.length < 2) throw new TypeError("File requires at least 2 arguments");
      super(parts, options);
      this.#name = String(name);
      this.#modified = options?.lastModified === undefined ? Date.now() : Math.trunc(Number(options.lastModified)) || 0;
    }
    get name() {
      return this.#name;
    }
    get lastModified() {
      return this.#modified;
    }
    get webkitRelativePath() {
      return "";
    }
    get [Symbol.toStringTag]() {
      return "File";
    }
  }
  return { Blob, File };
}
