({ stringifyForError, commitTs }) => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

  // The length of the text without padding; the text must consist of whole groups of four.
  const unpadded = (text) => {
    if (text.length % 4 > 0) throw new Error("Invalid string. Length must be a multiple of 4");
    const end = text.indexOf("=");
    return end === -1 ? text.length : end;
  };

  const Base64 = {
    byteLength: (text) => Math.floor((unpadded(text) * 3) / 4),
    toByteArray(text) {
      const n = unpadded(text);
      const bytes = new Uint8Array(Math.floor((n * 3) / 4));
      let buffer = 0;
      let bits = 0;
      let at = 0;
      for (let i = 0; i < n; i++) {
        const c = text[i] === "-" ? "+" : text[i] === "_" ? "/" : text[i];
        buffer = ((buffer << 6) | alphabet.indexOf(c)) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
          bits -= 8;
          bytes[at++] = (buffer >> bits) & 0xff;
        }
      }
      return bytes;
    },
    fromByteArray(bytes) {
      let text = "";
      for (let i = 0; i < bytes.length; i += 3) {
        const left = bytes.length - i;
        const word = (bytes[i] << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
        text += alphabet[word >> 18] + alphabet[(word >> 12) & 63];
        text += left > 1 ? alphabet[(word >> 6) & 63] : "=";
        text += left > 2 ? alphabet[word & 63] : "=";
      }
      return text;
    },
    fromByteArrayUrlSafeNoPadding: (bytes) =>
      Base64.fromByteArray(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""),
  };

  class ConvexError extends Error {
    name = "ConvexError";
    [Symbol.for("ConvexError")] = true;
    constructor(data) {
      super(typeof data === "string" ? data : stringifyForError(data));
      this.data = data;
    }
  }

  class CommitTsPlaceholder {
    static [Symbol.hasInstance](v) {
      return v === commitTs();
    }
  }

  return { Base64, ConvexError, CommitTsPlaceholder };
}
