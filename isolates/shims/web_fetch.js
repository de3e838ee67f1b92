({ web, fetchOp, bodyClose, respondOp }) => {
  const { Body, extract, send, mixin } = web("body_");
  const Headers = web("Headers");
  const AbortSignal = web("AbortSignal");

  const nullStatus = (status) => status === 101 || status === 103 || status === 204 || status === 205 || status === 304;
  const isStatusText = (text) => /^[\t -~\x80-\xff]*$/.test(text);
  const isToken = (text) => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
  const upper = new Map(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"].map((m) => [m.toLowerCase(), m]));

  const methodOf = (method) => {
    method = String(method);
    if (!isToken(method)) throw new TypeError(`'${method}' is not a valid HTTP method.`);
    if (/^(connect|trace|track)$/i.test(method)) throw new TypeError(`'${method}' HTTP method is unsupported.`);
    return upper.get(method.toLowerCase()) ?? method;
  };
  const oneOf = (what, value, allowed) => {
    if (!allowed.includes(value)) throw new TypeError(`'${value}' is not a valid value for ${what}`);
    return value;
  };

  class Request {
    #url;
    #method = "GET";
    #headers;
    #body;
    #signal;
    #redirect = "follow";
    #options;
    constructor(input, init = {}) {
      if (arguments.length < 1) throw new TypeError("Request requires at least 1 argument");
      init ??= {};
      const from = input instanceof Request ? input : null;
      if (from === null) {
        let url;
        try {
          url = new (web("URL"))(String(input));
        } catch {
          throw new TypeError(`Failed to parse URL from ${String(input)}`);
        }
        if (url.username !== "" || url.password !== "") throw new TypeError("Request cannot be constructed from a URL that includes credentials");
        this.#url = url.href;
      } else {
        this.#url = from.#url;
        this.#method = from.#method;
        this.#redirect = from.#redirect;
        this.#signal = from.#signal;
      }
      if (init.window !== undefined && init.window !== null) throw new TypeError("'window' must be null");
      if (init.method !== undefined) this.#method = methodOf(init.method);
      if (init.redirect !== undefined) this.#redirect = oneOf("redirect", init.redirect, ["follow", "error", "manual"]);
      if (init.mode !== undefined) oneOf("mode", init.mode, ["cors", "no-cors", "same-origin"]);
      if (init.credentials !== undefined) oneOf("credentials", init.credentials, ["omit", "same-origin", "include"]);
      if (init.signal !== undefined) {
        if (init.signal !== null && !(init.signal instanceof AbortSignal)) throw new TypeError("signal is not an AbortSignal");
        this.#signal = init.signal;
      }
      const given = from === null ? {} : from.#options;
      this.#options = {};
      for (const [name, otherwise] of Object.entries(defaults)) this.#options[name] = init[name] ?? given[name] ?? otherwise;
      this.#headers = new Headers(init.headers ?? (from === null ? undefined : from.#headers));
      this.#takeBody(init, from);
    }
    #takeBody(init, from) {
      const hasBody = init.body !== undefined && init.body !== null;
      const bodiless = this.#method === "GET" || this.#method === "HEAD";
      if (bodiless && (hasBody || (from !== null && !from.#body.empty))) {
        throw new TypeError("Request with GET/HEAD method cannot have body.");
      }
      if (hasBody) {
        const { body, type } = extract(init.body);
        if (init.body instanceof Object && body.stream !== null && init.duplex !== undefined) oneOf("duplex", init.duplex, ["half"]);
        this.#body = body;
        if (type !== null && !this.#headers.has("content-type")) this.#headers.append("content-type", type);
        return;
      }
      if (from === null || from.#body.empty) {
        this.#body = new Body();
        return;
      }
      if (from.#body.disturbed || from.#body.locked) throw new TypeError("Cannot construct a Request with a Request object that has already been used.");
      const source = from.#body;
      this.#body = Object.assign(new Body(), { bytes: source.bytes, host: source.host, stream: source.stream });
      source.used = true;
    }
    static body_(request) {
      return request.#body;
    }
    // A request that arrived: its body is read from the host.
    static arrived_(url, method, headers, bodyID, signal) {
      const request = new Request(url, { method, signal });
      for (const [name, value] of headers) request.#headers.append(name, value);
      if (bodyID !== 0) request.#body = Body.ofHost(bodyID);
      return request;
    }
    get url() {
      return this.#url;
    }
    get method() {
      return this.#method;
    }
    get headers() {
      return this.#headers;
    }
    get redirect() {
      return this.#redirect;
    }
    get signal() {
      return (this.#signal ??= new (web("AbortController"))().signal);
    }
    get signal_() {
      return this.#signal ?? null;
    }
    get mode() {
      return this.#options.mode;
    }
    get credentials() {
      return this.#options.credentials;
    }
    get cache() {
      return this.#options.cache;
    }
    get referrer() {
      return this.#options.referrer;
    }
    get referrerPolicy() {
      return this.#options.referrerPolicy;
    }
    get integrity() {
      return this.#options.integrity;
    }
    get keepalive() {
      return Boolean(this.#options.keepalive);
    }
    get destination() {
      return "";
    }
    get duplex() {
      return "half";
    }
    clone() {
      const body = this.#body.tee();
      const copy = new Request(this.#url, { method: this.#method, headers: this.#headers, redirect: this.#redirect, signal: this.#signal });
      copy.#body = body;
      copy.#options = { ...this.#options };
      return copy;
    }
    get [Symbol.toStringTag]() {
      return "Request";
    }
  }
  const defaults = {
    mode: "cors", credentials: "same-origin", cache: "default", referrer: "about:client", referrerPolicy: "", integrity: "",
    keepalive: false,
  };
  mixin(Request.prototype, (r) => Request.body_(r), (r) => r.headers.get("content-type"));

  const arrived = {};
  class Response {
    #status = 200;
    #statusText = "";
    #headers;
    #body;
    #url = "";
    #redirected = false;
    #type = "default";
    constructor(body = null, init = {}, made = undefined) {
      if (made?.key === arrived) {
        this.#status = made.status;
        this.#statusText = made.statusText;
        this.#headers = made.headers;
        this.#body = made.body;
        this.#url = made.url;
        this.#redirected = made.redirected;
        this.#type = made.type;
        return;
      }
      init ??= {};
      if (init.status !== undefined) {
        const status = Math.trunc(Number(init.status)) & 0xffff;
        if (!(status >= 200 && status <= 599)) {
          throw new RangeError(`The status provided (${String(init.status)}) is outside the range [200, 599].`);
        }
        this.#status = status;
      }
      if (init.statusText !== undefined) {
        if (!isStatusText(String(init.statusText))) throw new TypeError("Invalid statusText");
        this.#statusText = String(init.statusText);
      }
      this.#headers = new Headers(init.headers ?? undefined);
      const hasBody = body !== null && body !== undefined;
      if (hasBody && nullStatus(this.#status)) throw new TypeError(`Response with null body status (${this.#status}) cannot have body`);
      const { body: taken, type } = extract(body);
      this.#body = taken;
      if (type !== null && !this.#headers.has("content-type")) this.#headers.append("content-type", type);
    }
    static made_(made) {
      return new Response(null, undefined, { key: arrived, ...made });
    }
    static body_(response) {
      return response.#body;
    }
    static is_(v) {
      return typeof v === "object" && v !== null && #body in v;
    }
    static error() {
      return Response.made_({
        status: 0, statusText: "", headers: Headers.immutable_(new Headers()), body: new Body(), url: "", redirected: false, type: "error",
      });
    }
    static json(data, init = {}) {
      const text = JSON.stringify(data);
      if (text === undefined) throw new TypeError("The data is not JSON serializable");
      const response = new Response(text, init);
      if (!new Headers(init?.headers ?? undefined).has("content-type")) response.#headers.set("content-type", "application/json");
      return response;
    }
    static redirect(url, status = 302) {
      let href;
      try {
        href = new (web("URL"))(String(url)).href;
      } catch {
        throw new TypeError(`Failed to parse URL from ${String(url)}`);
      }
      if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`Invalid status code ${String(status)}`);
      const headers = Headers.immutable_(new Headers([["location", href]]));
      return Response.made_({ status, statusText: "", headers, body: new Body(), url: "", redirected: false, type: "default" });
    }
    get type() {
      return this.#type;
    }
    get url() {
      return this.#url;
    }
    get redirected() {
      return this.#redirected;
    }
    get status() {
      return this.#status;
    }
    get ok() {
      return this.#status >= 200 && this.#status <= 299;
    }
    get statusText() {
      return this.#statusText;
    }
    get headers() {
      return this.#headers;
    }
    clone() {
      const body = this.#body.tee();
      return Response.made_({
        status: this.#status, statusText: this.#statusText, headers: new Headers(this.#headers), body, url: this.#url,
        redirected: this.#redirected, type: this.#type,
      });
    }
    get [Symbol.toStringTag]() {
      return "Response";
    }
  }
  mixin(Response.prototype, (r) => Response.body_(r), (r) => r.headers.get("content-type"));

  // The body as the host takes it: bytes, or the number of an outgoing body that is being written.
  const outgoing = async (body) => {
    if (body.empty) return { bytes: undefined, id: 0, sent: undefined };
    if (body.disturbed || body.locked) throw new TypeError("Body is unusable: it has already been read");
    if (body.bytes !== null) {
      body.used = true;
      return { bytes: body.bytes, id: 0, sent: undefined };
    }
    const { id, sent } = await send(body.readable());
    sent.catch(() => {});
    return { bytes: undefined, id, sent };
  };

  const fetch = async (input, init) => {
    const request = new Request(input, init);
    const signal = request.signal_;
    signal?.throwIfAborted();
    const scheme = request.url.slice(0, request.url.indexOf(":"));
    if (scheme !== "http" && scheme !== "https") throw new TypeError(`fetch failed: unsupported URL scheme '${scheme}:' (only http and https)`);
    const out = await outgoing(Request.body_(request));
    signal?.throwIfAborted();
    const head = { method: request.method, url: request.url, redirect: request.redirect, headers: request.headers.pairs_() };
    const op = fetchOp(head, out.bytes, out.id);
    op.promise = op.promise.catch((e) => {
      throw new TypeError(e.message);
    });
    let answered = null;
    const aborted = new Promise((_, reject) => {
      if (signal === null) return;
      signal.addEventListener("abort", () => {
        if (answered !== null) {
          answered.abort(signal.reason);
          return;
        }
        op.abort();
        if (out.id !== 0) bodyClose(out.id, "aborted");
        reject(signal.reason);
      }, { once: true });
    });
    // An answer that comes after all is not wanted any more.
    op.promise.then((answer) => {
      if (signal?.aborted && answer.stream !== 0) bodyClose(answer.stream, "aborted");
    }, () => {});
    const answer = await Promise.race([op.promise, aborted]);
    const body = nullStatus(answer.status) || request.method === "HEAD" ? new Body() : Body.ofHost(answer.stream);
    answered = body;
    return Response.made_({
      status: answer.status, statusText: answer.statusText, headers: Headers.immutable_(new Headers(answer.headers)), body,
      url: answer.url, redirected: answer.redirected, type: "basic",
    });
  };

  // Runs an HTTP action: routes the request, calls the handler and hands its response to the host.
  const serve = async (router, ctx, { url, method, headers, body }) => {
    const controller = new (web("AbortController"))();
    const request = Request.arrived_(url, method, headers, body, controller.signal);
    const route = router.lookup(new (web("URL"))(url).pathname, method === "HEAD" ? "GET" : method);
    const response = route === null
      ? new Response("No matching routes found", { status: 404 })
      : await (route[0]._handler ?? route[0])(ctx, request);
    if (!Response.is_(response)) throw new Error("HTTP actions must return a Response");
    const answer = Response.body_(response);
    if (answer.disturbed || answer.locked) throw new TypeError("The Response of an HTTP action has a body that has already been read");
    const head = { status: response.status, statusText: response.statusText, headers: response.headers.pairs_() };
    const out = await outgoing(method === "HEAD" ? new Body() : answer);
    await respondOp(head, out.bytes, out.id);
    await out.sent;
    return null;
  };

  return { Request, Response, fetch, serve_: serve };
}
