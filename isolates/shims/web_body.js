// The bodies of requests, responses and files: bytes that are here, or a stream that is read from the host.
({ web, encodeUTF8, decodeUTF8, bodyRead, bodyClose, bodyOpen, bodyWrite, parseMultipart, refuseIn }) => {
  const chunkSize = 65536;
  const none = new Uint8Array(0);

  const viewOf = (v) =>
    v instanceof ArrayBuffer ? new Uint8Array(v) : new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
  const isBytes = (v) => v instanceof ArrayBuffer || ArrayBuffer.isView(v);
  const utf8 = (text) => new Uint8Array(encodeUTF8(text));

  const joined = (list) => {
    if (list.length === 1) return list[0];
    const out = new Uint8Array(list.reduce((n, b) => n + b.length, 0));
    let at = 0;
    for (const b of list) {
      out.set(b, at);
      at += b.length;
    }
    return out;
  };

  // A body of the host's that is read piece by piece.
  class HostBody {
    #id;
    #done = false;
    constructor(id) {
      this.#id = id;
    }
    // The next bytes, or null at the end.
    async next(count = chunkSize) {
      if (this.#done) return null;
      const { bytes, done } = await bodyRead(this.#id, count);
      this.#done = done;
      return bytes.byteLength > 0 ? new Uint8Array(bytes) : null;
    }
    close(reason) {
      if (this.#done) return;
      this.#done = true;
      bodyClose(this.#id, String(reason ?? "closed"));
    }
  }

  const drainHost = async (host) => {
    const list = [];
    for (let b = await host.next(); b !== null; b = await host.next()) list.push(b);
    return list.length === 0 ? none : joined(list);
  };

  const drainReader = async (reader) => {
    const list = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return list.length === 0 ? none : joined(list);
      if (!(value instanceof Uint8Array)) throw new TypeError("Received non-Uint8Array chunk");
      list.push(value);
    }
  };

  const streamOfBytes = (bytes) => {
    const ReadableStream = web("ReadableStream");
    return new ReadableStream({
      type: "bytes",
      start(controller) {
        if (bytes.length > 0) controller.enqueue(bytes.slice());
        controller.close();
      },
    });
  };

  const streamOfHost = (host, onError) => {
    const ReadableStream = web("ReadableStream");
    return new ReadableStream(
      {
        type: "bytes",
        start(controller) {
          onError((reason) => {
            host.close(reason);
            controller.error(reason);
          });
        },
        async pull(controller) {
          const bytes = await host.next();
          if (bytes !== null) {
            controller.enqueue(bytes);
            return;
          }
          controller.close();
          controller.byobRequest?.respond(0);
        },
        cancel(reason) {
          host.close(reason);
        },
      },
      { highWaterMark: 0 },
    );
  };

  // What a body is made of: exactly one of bytes, host and stream is set, or none if there is no body.
  class Body {
    bytes = null;
    host = null;
    stream = null;
    used = false;
    failed = undefined;
    fail = null;
    static ofHost(id) {
      const body = new Body();
      if (id !== 0) body.host = new HostBody(id);
      return body;
    }
    static ofBytes(bytes) {
      const body = new Body();
      body.bytes = bytes;
      return body;
    }
    get empty() {
      return this.bytes === null && this.host === null && this.stream === null;
    }
    get disturbed() {
      return this.used || (this.stream !== null && isDisturbed(this.stream));
    }
    get locked() {
      return this.stream !== null && this.stream.locked;
    }
    // The stream that scripts see, made when they look.
    readable() {
      if (this.empty) return null;
      if (this.stream === null) {
        if (this.bytes !== null) this.stream = streamOfBytes(this.bytes);
        else {
          const host = this.host;
          this.stream = streamOfHost(host, (fail) => (this.fail = fail));
        }
        if (this.used) this.stream.cancel().catch(() => {});
        else if (this.failed !== undefined) this.fail?.(this.failed);
        this.bytes = this.host = null;
      }
      return this.stream;
    }
    // Ends a body that has not arrived in full.
    abort(reason) {
      this.failed = reason;
      if (this.fail !== null) this.fail(reason);
      else if (this.host !== null) this.host.close(reason);
    }
    async consume() {
      if (this.empty) return none;
      if (this.disturbed || this.locked) throw new TypeError("Body is unusable: it has already been read");
      this.used = true;
      if (this.failed !== undefined) throw this.failed;
      if (this.bytes !== null) return this.bytes;
      try {
        if (this.host !== null) return await drainHost(this.host);
        refuseIn("stream");
        return await drainReader(this.stream.getReader());
      } catch (e) {
        throw this.failed ?? e;
      }
    }
    tee() {
      if (this.disturbed || this.locked) throw new TypeError("Body has already been consumed.");
      const copy = new Body();
      if (this.bytes !== null) {
        copy.bytes = this.bytes;
        return copy;
      }
      if (this.empty) return copy;
      [this.stream, copy.stream] = this.readable().tee();
      return copy;
    }
  }

  // Whether a stream has been read from: the implementation we bundle keeps a mark of it.
  const isDisturbed = (stream) => stream._disturbed === true;

  const boundary = () => {
    const random = crypto.getRandomValues(new Uint8Array(16));
    return "----formdata-" + [...random].map((b) => b.toString(16).padStart(2, "0")).join("");
  };
  const quoteName = (name) => name.replace(/\r\n|\r|\n/g, "\r\n").replace(/\r/g, "%0D").replace(/\n/g, "%0A").replace(/"/g, "%22");
  const multipart = (form) => {
    const mark = boundary();
    const list = [];
    for (const [name, value] of form) {
      let head = `--${mark}\r\nContent-Disposition: form-data; name="${quoteName(name)}"`;
      if (typeof value === "string") {
        list.push(utf8(`${head}\r\n\r\n${value.replace(/\r\n|\r|\n/g, "\r\n")}\r\n`));
        continue;
      }
      head += `; filename="${quoteName(value.name)}"\r\nContent-Type: ${value.type || "application/octet-stream"}\r\n\r\n`;
      list.push(utf8(head), value.bytes_(), utf8("\r\n"));
    }
    list.push(utf8(`--${mark}--\r\n`));
    return { body: Body.ofBytes(joined(list)), type: `multipart/form-data; boundary=${mark}` };
  };

  // Extracts a body, and the content type it brings along.
  const extract = (v) => {
    if (v === null || v === undefined) return { body: new Body(), type: null };
    if (v instanceof web("Blob")) return { body: Body.ofBytes(v.bytes_()), type: v.type || null };
    if (isBytes(v)) return { body: Body.ofBytes(viewOf(v).slice()), type: null };
    if (v instanceof web("FormData")) return multipart(v);
    if (v instanceof web("URLSearchParams")) {
      return { body: Body.ofBytes(utf8(v.toString())), type: "application/x-www-form-urlencoded;charset=UTF-8" };
    }
    if (typeof v === "object" && typeof v.getReader === "function") {
      if (v.locked) throw new TypeError("ReadableStream is locked");
      const body = new Body();
      body.stream = v;
      return { body, type: null };
    }
    if (typeof v === "object" && typeof v[Symbol.asyncIterator] === "function") {
      const body = new Body();
      body.stream = web("ReadableStream").from(v);
      return { body, type: null };
    }
    return { body: Body.ofBytes(utf8(String(v))), type: "text/plain;charset=UTF-8" };
  };

  // Sends a stream to the host: returns the number of the outgoing body, and what settles when all is sent.
  const send = async (stream) => {
    const id = await bodyOpen();
    const reader = stream.getReader();
    const pump = async () => {
      for (;;) {
        let part;
        try {
          part = await reader.read();
          if (!part.done && !(part.value instanceof Uint8Array)) throw new TypeError("Received non-Uint8Array chunk");
        } catch (e) {
          await bodyClose(id, String(e?.message ?? e));
          throw e;
        }
        try {
          await bodyWrite(id, part.done ? none : part.value, part.done);
        } catch (e) {
          reader.cancel(e).catch(() => {});
          throw e;
        }
        if (part.done) return;
      }
    };
    return { id, sent: pump() };
  };

  const decodeForm = (bytes) => {
    const form = new (web("FormData"))();
    for (const [name, value] of new (web("URLSearchParams"))(decodeUTF8(bytes, "utf-8", false))) form.append(name, value);
    return form;
  };
  const decodeName = (name) => name.replace(/%0D/gi, "\r").replace(/%0A/gi, "\n").replace(/%22/g, '"');
  const decodeMultipart = (bytes, type) => {
    const form = new (web("FormData"))();
    for (const part of parseMultipart(bytes, type)) {
      const name = decodeName(part.name);
      if (part.filename === null) form.append(name, decodeUTF8(new Uint8Array(part.bytes), "utf-8", false));
      else form.append(name, new (web("File"))([part.bytes], decodeName(part.filename), { type: part.type }));
    }
    return form;
  };

  // The methods that requests and responses share; the two symbols lead to the body and to its content type.
  const methods = (bodyOf, typeOf) => ({
    get body() {
      return bodyOf(this).readable();
    },
    get bodyUsed() {
      return bodyOf(this).disturbed;
    },
    async arrayBuffer() {
      const bytes = await bodyOf(this).consume();
      return bytes.slice().buffer;
    },
    async bytes() {
      return (await bodyOf(this).consume()).slice();
    },
    async blob() {
      const type = typeOf(this);
      return new (web("Blob"))([await bodyOf(this).consume()], { type: type ?? "" });
    },
    async text() {
      const text = decodeUTF8(await bodyOf(this).consume(), "utf-8", false);
      return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    },
    async json() {
      const text = decodeUTF8(await bodyOf(this).consume(), "utf-8", false);
      return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
    },
    async formData() {
      refuseIn("formData()");
      const type = typeOf(this) ?? "";
      const essence = type.split(";")[0].trim().toLowerCase();
      const bytes = await bodyOf(this).consume();
      if (essence === "application/x-www-form-urlencoded") return decodeForm(bytes);
      if (essence === "multipart/form-data") return decodeMultipart(bytes, type);
      throw new TypeError(`Could not parse content as FormData: its Content-Type is '${type}'`);
    },
  });

  const mixin = (prototype, bodyOf, typeOf) => {
    for (const [name, d] of Object.entries(Object.getOwnPropertyDescriptors(methods(bodyOf, typeOf)))) {
      Object.defineProperty(prototype, name, d);
    }
  };

  return { body_: { Body, extract, send, mixin, streamOfBytes } };
}
