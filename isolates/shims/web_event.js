() => {
  class Event {
    #stopped = false;
    #prevented = false;
    target = null;
    currentTarget = null;
    constructor(type, { bubbles = false, cancelable = false, composed = false } = {}) {
      this.type = String(type);
      this.bubbles = bubbles;
      this.cancelable = cancelable;
      this.composed = composed;
      this.timeStamp = 0;
    }
    get defaultPrevented() {
      return this.#prevented;
    }
    preventDefault() {
      if (this.cancelable) this.#prevented = true;
    }
    stopPropagation() {}
    stopImmediatePropagation() {
      this.#stopped = true;
    }
    get stopped_() {
      return this.#stopped;
    }
  }

  class EventTarget {
    #listeners = new Map();
    addEventListener(type, listener, options) {
      if (listener === null || listener === undefined) return;
      const { once = false, signal } = typeof options === "object" && options !== null ? options : {};
      if (signal?.aborted) return;
      const list = this.#listeners.get(type) ?? [];
      if (list.some((entry) => entry.listener === listener)) return;
      this.#listeners.set(type, [...list, { listener, once }]);
      signal?.addEventListener("abort", () => this.removeEventListener(type, listener));
    }
    removeEventListener(type, listener) {
      const list = this.#listeners.get(type);
      if (list) this.#listeners.set(type, list.filter((entry) => entry.listener !== listener));
    }
    dispatchEvent(event) {
      event.target = event.currentTarget = this;
      for (const { listener, once } of this.#listeners.get(event.type) ?? []) {
        if (once) this.removeEventListener(event.type, listener);
        if (typeof listener === "function") listener.call(this, event);
        else listener.handleEvent(event);
        if (event.stopped_) break;
      }
      event.currentTarget = null;
      return !event.defaultPrevented;
    }
  }

  const key = {};
  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason = undefined;
    onabort = null;
    constructor(given) {
      super();
      if (given !== key) throw new TypeError("Illegal constructor");
    }
    get aborted() {
      return this.#aborted;
    }
    get reason() {
      return this.#reason;
    }
    throwIfAborted() {
      if (this.#aborted) throw this.#reason;
    }
    static abort(reason) {
      const signal = new AbortSignal(key);
      AbortSignal.abort_(signal, reason);
      return signal;
    }
    static timeout(milliseconds) {
      const ms = Number(milliseconds);
      if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) throw new TypeError("AbortSignal.timeout: the value is out of range");
      const signal = new AbortSignal(key);
      setTimeout(() => AbortSignal.abort_(signal, new DOMException("The operation was aborted due to timeout", "TimeoutError")), ms);
      return signal;
    }
    static any(signals) {
      const combined = new AbortSignal(key);
      for (const signal of signals) {
        if (signal.aborted) {
          AbortSignal.abort_(combined, signal.reason);
          break;
        }
        signal.addEventListener("abort", () => AbortSignal.abort_(combined, signal.reason));
      }
      return combined;
    }
    static abort_(signal, reason = new DOMException("This operation was aborted", "AbortError")) {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason;
      const event = new Event("abort");
      if (typeof signal.onabort === "function") signal.onabort(event);
      signal.dispatchEvent(event);
    }
  }

  class AbortController {
    #signal = new AbortSignal(key);
    get signal() {
      return this.#signal;
    }
    abort(reason) {
      AbortSignal.abort_(this.#signal, reason);
    }
  }
  return { Event, EventTarget, AbortController, AbortSignal };
}
