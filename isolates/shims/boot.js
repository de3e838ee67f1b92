// Prepares a runtime; returns the objects that extensions hang behind, in the order Go expects.
(freezeOwn, isFrozenOwn) => {
  const define = (object, name, value) =>
    Object.defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });

  define(Symbol, "asyncIterator", Symbol.for("Symbol.asyncIterator"));

  // No code from strings.
  const message = "Code generation from strings disallowed for this context";
  const refuse = function Function() {
    throw new EvalError(message);
  };
  refuse.prototype = Function.prototype;
  define(globalThis, "Function", refuse);
  define(globalThis, "eval", function eval_() {
    throw new EvalError(message);
  });
  define(Function.prototype, "constructor", refuse);
  for (const proto of [Object.getPrototypeOf(function* () {}), Object.getPrototypeOf(async () => {})]) {
    Object.defineProperty(proto, "constructor", { value: refuse, writable: false, enumerable: false, configurable: true });
  }

  define(Error, "captureStackTrace", function captureStackTrace() {});
  define(Error, "stackTraceLimit", 10);

  // Documents and contexts are objects that the engine cannot freeze.
  const { freeze, seal, preventExtensions, isFrozen, isSealed, isExtensible } = Object;
  define(Object, "freeze", (o) => (freezeOwn(o) ? o : freeze(o)));
  define(Object, "seal", (o) => (freezeOwn(o) ? o : seal(o)));
  define(Object, "preventExtensions", (o) => (freezeOwn(o) ? o : preventExtensions(o)));
  define(Object, "isFrozen", (o) => isFrozenOwn(o) ?? isFrozen(o));
  define(Object, "isSealed", (o) => isFrozenOwn(o) ?? isSealed(o));
  define(Object, "isExtensible", (o) => {
    const frozen = isFrozenOwn(o);
    return frozen === undefined ? isExtensible(o) : !frozen;
  });

  const arrayIterator = Object.getPrototypeOf([][Symbol.iterator]());
  return [Object, Map, Promise, Array, String.prototype, Object.getPrototypeOf(arrayIterator)];
}
