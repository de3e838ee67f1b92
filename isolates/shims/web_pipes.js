({ web }) => {
  const TransformStream = web("TransformStream");
  const pipe = (make) =>
    class {
      #stream;
      #codec;
      constructor(...args) {
        const { codec, transformer } = make(...args);
        this.#codec = codec;
        this.#stream = new TransformStream(transformer);
      }
      get readable() {
        return this.#stream.readable;
      }
      get writable() {
        return this.#stream.writable;
      }
      get codec_() {
        return this.#codec;
      }
      get encoding() {
        return this.#codec.encoding;
      }
    };

  class TextEncoderStream extends pipe(() => {
    const codec = new TextEncoder();
    // The first half of a surrogate pair that waits for the other.
    let high = "";
    const transformer = {
      transform(chunk, controller) {
        let text = high + String(chunk);
        high = "";
        const last = text.charCodeAt(text.length - 1);
        if (last >= 0xd800 && last <= 0xdbff) {
          high = text.slice(-1);
          text = text.slice(0, -1);
        }
        if (text !== "") controller.enqueue(codec.encode(text));
      },
      flush(controller) {
        if (high !== "") controller.enqueue(new Uint8Array([0xef, 0xbf, 0xbd]));
      },
    };
    return { codec, transformer };
  }) {
    get [Symbol.toStringTag]() {
      return "TextEncoderStream";
    }
  }

  class TextDecoderStream extends pipe((label, options) => {
    const codec = new TextDecoder(label, options);
    const transformer = {
      transform(chunk, controller) {
        const text = codec.decode(chunk, { stream: true });
        if (text !== "") controller.enqueue(text);
      },
      flush(controller) {
        const text = codec.decode();
        if (text !== "") controller.enqueue(text);
      },
    };
    return { codec, transformer };
  }) {
    get fatal() {
      return this.codec_.fatal;
    }
    get ignoreBOM() {
      return this.codec_.ignoreBOM;
    }
    get [Symbol.toStringTag]() {
      return "TextDecoderStream";
    }
  }
  return { TextEncoderStream, TextDecoderStream };
}
