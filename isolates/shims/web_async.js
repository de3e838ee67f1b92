({ getContext, setContext }) => {
  // What all storages hold, as a map that is never changed: setting a storage makes a new one.
  const within = (context, f, self, args) => {
    const before = getContext();
    setContext(context);
    try {
      return f.apply(self, args);
    } finally {
      setContext(before);
    }
  };
  class AsyncLocalStorage {
    #default;
    #name;
    constructor({ defaultValue, name = "" } = {}) {
      this.#default = defaultValue;
      this.#name = String(name);
    }
    get name() {
      return this.#name;
    }
    getStore() {
      const context = getContext();
      return context?.has(this) ? context.get(this) : this.#default;
    }
    run(store, f, ...args) {
      return within(new Map(getContext() ?? []).set(this, store), f, undefined, args);
    }
    exit(f, ...args) {
      const context = new Map(getContext() ?? []);
      context.delete(this);
      return within(context, f, undefined, args);
    }
    enterWith(store) {
      setContext(new Map(getContext() ?? []).set(this, store));
    }
    disable() {
      const context = new Map(getContext() ?? []);
      context.delete(this);
      setContext(context);
    }
    static bind(f) {
      const context = getContext();
      return function (...args) {
        return within(context, f, this, args);
      };
    }
    static snapshot() {
      const context = getContext();
      return (f, ...args) => within(context, f, undefined, args);
    }
  }
  class AsyncResource {
    #context = getContext();
    #type;
    constructor(type) {
      this.#type = String(type);
    }
    get type() {
      return this.#type;
    }
    runInAsyncScope(f, self, ...args) {
      return within(this.#context, f, self, args);
    }
    bind(f) {
      const context = this.#context;
      return function (...args) {
        return within(context, f, this, args);
      };
    }
    static bind(f, type) {
      return new AsyncResource(type ?? f.name).bind(f);
    }
    emitDestroy() {
      return this;
    }
  }
  return { AsyncLocalStorage, AsyncResource };
}
