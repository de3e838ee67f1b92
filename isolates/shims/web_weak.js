() => {
  // A reference that holds: what is collected, and when, must not be observable.
  class WeakRef {
    #target;
    constructor(target) {
      if ((typeof target !== "object" || target === null) && typeof target !== "function") {
        throw new TypeError("WeakRef: target must be an object");
      }
      this.#target = target;
    }
    deref() {
      return this.#target;
    }
    get [Symbol.toStringTag]() {
      return "WeakRef";
    }
  }
  class FinalizationRegistry {
    constructor(callback) {
      if (typeof callback !== "function") throw new TypeError("FinalizationRegistry: cleanup must be callable");
    }
    register() {}
    unregister() {
      return false;
    }
    get [Symbol.toStringTag]() {
      return "FinalizationRegistry";
    }
  }
  return { WeakRef, FinalizationRegistry };
}
