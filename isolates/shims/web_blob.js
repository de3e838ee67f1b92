({ encodeUTF8, decodeUTF8 }) => {
  const bytesOf = (part) => {
    if (part instanceof Blob) return part.bytes_();
    if (part instanceof ArrayBuffer) return new Uint8Array(part);
    if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    return new Uint8Array(encodeUTF8(String(part)));
  };
  class Blob {
    #bytes;
    #type;
    constructor(parts = [], { type = "" } = {}) {
      const list = [...parts].map(bytesOf);
      this.#bytes = new Uint8Array(list.reduce((n, b) => n + b.length, 0));
      let at = 0;
      for (const b of list) {
        this.#bytes.set(b, at);
        at += b.length;
      }
      this.#type = /[^ -~]/.test(type) ? "" : String(type).toLowerCase();
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
    slice(start = 0, end = this.size, type = "") {
      return new Blob([this.#bytes.slice(start, end)], { type });
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
    constructor(parts, name, options = {}) {
      super(parts, options);
      this.name = String(name);
      this.lastModified = options.lastModified ?? Date.now();
    }
    get [Symbol.toStringTag]() {
      return "File";
    }
  }
  return { Blob, File };
}
