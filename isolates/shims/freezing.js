// Lets documents and contexts be frozen: they are objects that the engine refuses to freeze.
(Object, freezeOwn, isFrozenOwn) => {
  const { freeze, seal, preventExtensions, isFrozen, isSealed, isExtensible, defineProperty } = Object;
  const define = (name, value) => defineProperty(Object, name, { value, writable: true, enumerable: false, configurable: true });
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
