// Changes what syntax reaches; returns it, in the order Go expects.
(fail) => {
  const refuse = function Function() {
    fail();
  };
  const functionPrototype = Object.getPrototypeOf(refuse);
  refuse.prototype = functionPrototype;
  const protos = [functionPrototype, Object.getPrototypeOf(function* () {}), Object.getPrototypeOf(async () => {})];
  for (let i = 0; i < protos.length; i++) {
    Object.defineProperty(protos[i], "constructor", { value: refuse, writable: i === 0, enumerable: false, configurable: true });
  }
  const array = [];
  const iterators = Object.getPrototypeOf(Object.getPrototypeOf(array[Symbol.iterator]()));
  return [refuse, Object.getPrototypeOf(Object("")), iterators, Object.getPrototypeOf(array), functionPrototype, Object.getPrototypeOf(0), Object.getPrototypeOf(0n)];
}
