// Lets documents and contexts be frozen: they are objects that the engine refuses to freeze. Lets symbols be defined on
// the global object, which it refuses, too.
(Object, freezeOwn, isFrozenOwn, global, setSymbol) => {
  const { freeze, seal, preventExtensions, isFrozen, isSealed, isExtensible, defineProperty } = Object;
  const define = (name, value) => defineProperty(Object, name, { value, writable: true, enumerable: false, configurable: true });
  define("defineProperty", (o, key, descriptor) => {
    if (typeof key !== "symbol" || o !== global) return defineProperty(o, key, descriptor);
    if (!setSymbol(key, "value" in descriptor ? descriptor.value : descriptor.get?.call(global))) {
      throw new TypeError("Cannot define property " + String(key) + ", object is not extensible");
    }
    return o;
  });
  define("freeze", (o) => (freezeOwn(o) ? o : freeze(o)));
  define("seal", (o) => (freezeOwn(o) ? o : seal(o)));
  define("preventExtensions", (o) => (freezeOwn(o) ? o : preventExtensions(o)));
  define("isFrozen", (o) => isFrozenOwn(o) ?? isFrozen(o));
  define("isSealed", (o) => isFrozenOwn(o) ?? isSealed(o));
  define("isExtensible", (o) => {
    const frozen = isFrozenOwn(o);
    return frozen === undefined ? isExtensible(o) : !frozen;
  });
}
