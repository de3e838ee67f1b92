({ encodeUTF8, decodeUTF8 }) => {
  class TextEncoder {
    get encoding() {
      return "utf-8";
    }
    encode(text = "") {
      return new Uint8Array(encodeUTF8(String(text)));
    }
    encodeInto(text, target) {
      let read = 0;
      let written = 0;
      for (const c of String(text)) {
        const bytes = new Uint8Array(encodeUTF8(c));
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += c.length;
      }
      return { read, written };
    }
  }

  const labels = {
    "utf8": "utf-8", "utf-8": "utf-8", "unicode-1-1-utf-8": "utf-8", "utf-16": "utf-16le", "utf-16le": "utf-16le",
    "latin1": "windows-1252", "ascii": "windows-1252", "us-ascii": "windows-1252", "iso-8859-1": "windows-1252",
    "windows-1252": "windows-1252",
  };
  class TextDecoder {
    #encoding;
    #fatal;
    #ignoreBOM;
    #rest = new Uint8Array(0);
    constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
      this.#encoding = labels[String(label).trim().toLowerCase()];
      if (this.#encoding === undefined) throw new RangeError(`The encoding label provided ('${label}') is invalid.`);
      this.#fatal = Boolean(fatal);
      this.#ignoreBOM = Boolean(ignoreBOM);
    }
    get encoding() {
      return this.#encoding;
    }
    get fatal() {
      return this.#fatal;
    }
    get ignoreBOM() {
      return this.#ignoreBOM;
    }
    decode(input = new Uint8Array(0), { stream = false } = {}) {
      const view = ArrayBuffer.isView(input)
        ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
        : new Uint8Array(input);
      let bytes = view;
      if (this.#rest.length > 0) {
        bytes = new Uint8Array(this.#rest.length + view.length);
        bytes.set(this.#rest);
        bytes.set(view, this.#rest.length);
      }
      this.#rest = new Uint8Array(0);
      if (stream) {
        const keep = this.#incomplete(bytes);
        this.#rest = bytes.slice(bytes.length - keep);
        bytes = bytes.subarray(0, bytes.length - keep);
      }
      const form = this.#encoding === "windows-1252" ? "latin1" : this.#encoding;
      const text = decodeUTF8(bytes, form, this.#fatal);
      if (text === undefined) throw new TypeError("The encoded data was not valid.");
      return !this.#ignoreBOM && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    }
    // How many bytes at the end are the beginning of a character.
    #incomplete(bytes) {
      const n = bytes.length;
      if (this.#encoding === "utf-16le") return n % 2;
      if (this.#encoding !== "utf-8") return 0;
      for (let back = 1; back <= Math.min(3, n); back++) {
        const b = bytes[n - back];
        if ((b & 0xc0) === 0x80) continue;
        const length = b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : b >= 0xc0 ? 2 : 1;
        return length > back ? back : 0;
      }
      return 0;
    }
  }
  return { TextEncoder, TextDecoder };
}
