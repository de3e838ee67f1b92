// Returns harden(roots, intrinsics): freezes everything the roots lead to. The built-ins it uses are taken before any
// other code could change them.
(freezeDynamic, isStateful, overridable) => {
  const { freeze, getPrototypeOf, getOwnPropertyDescriptor, defineProperty } = Object;
  const { ownKeys } = Reflect;
  const seen = new Set();
  const has = seen.has.bind(seen);
  const add = seen.add.bind(seen);

  // Prototypes of the language whose properties scripts override on objects that inherit them.
  const overridden = new Set([
    Object.prototype, Function.prototype, Error.prototype, EvalError.prototype, RangeError.prototype,
    ReferenceError.prototype, SyntaxError.prototype, TypeError.prototype, URIError.prototype,
  ]);
  if (typeof AggregateError !== "undefined") overridden.add(AggregateError.prototype);
  const isOverridden = overridden.has.bind(overridden);
  // Of these only the name of the class is overridden, by subclasses.
  const constructorOnly = [Array.prototype, Promise.prototype, Map.prototype, Set.prototype, RegExp.prototype, Date.prototype];
  const isConstructorOnly = constructorOnly.includes.bind(constructorOnly);

  // Whether the object has state that only its own methods reach: they throw for all others.
  const probe = {};
  const probes = [
    WeakMap.prototype.has,
    WeakSet.prototype.has,
    getOwnPropertyDescriptor(DataView.prototype, "byteLength").get,
  ].map((f) => f.call.bind(f));
  const iteratorPrototype = getPrototypeOf(getPrototypeOf([][Symbol.iterator]()));
  const inherits = Object.prototype.isPrototypeOf.bind(iteratorPrototype);
  const isHidden = (object) => {
    for (let i = 0; i < probes.length; i++) {
      try {
        probes[i](object, probe);
        return true;
      } catch {}
    }
    return inherits(object);
  };

  const isClassPrototype = (object) => {
    const d = getOwnPropertyDescriptor(object, "constructor");
    if (!d || typeof d.value !== "function") return false;
    const p = getOwnPropertyDescriptor(d.value, "prototype");
    return p !== undefined && p.value === object;
  };

  return (roots, intrinsics) => {
    const queue = [];
    const push = (v) => {
      if ((typeof v === "object" && v !== null) || typeof v === "function") {
        if (!has(v)) {
          add(v);
          queue[queue.length] = v;
        }
      }
    };
    for (let i = 0; i < roots.length; i++) push(roots[i]);
    for (let i = 0; i < queue.length; i++) {
      const object = queue[i];
      const inner = freezeDynamic(object);
      if (inner !== undefined) for (let k = 0; k < inner.length; k++) push(inner[k]);
      // The prototype of the global object is a proxy of Object.prototype, which is found by itself.
      if (object === globalThis) continue;
      const proto = getPrototypeOf(object);
      if (proto !== null) push(proto);
      if (inner !== undefined) continue;
      if (!intrinsics && isStateful(object, isHidden(object))) continue;
      const keys = ownKeys(object);
      const everything = isOverridden(object) || (!intrinsics && isClassPrototype(object));
      const some = everything || isConstructorOnly(object);
      for (let k = 0; k < keys.length; k++) {
        const key = keys[k];
        const d = getOwnPropertyDescriptor(object, key);
        if (d === undefined) continue;
        if ("value" in d) {
          push(d.value);
          if (d.configurable && (everything || (some && (key === "constructor" || key === "toString")))) {
            const pair = overridable(object, key, d.value);
            defineProperty(object, key, { get: pair[0], set: pair[1], enumerable: d.enumerable, configurable: false });
          }
        } else {
          if (d.get !== undefined) push(d.get);
          if (d.set !== undefined) push(d.set);
        }
      }
      freeze(object);
    }
  };
}
