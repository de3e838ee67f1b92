// Objects that are reachable through syntax only.
(() => {
  const iterators = [[][Symbol.iterator](), ""[Symbol.iterator](), new Map()[Symbol.iterator](), new Set()[Symbol.iterator](),
    "".matchAll(/(?:)/g)];
  const hidden = [
    function* () {},
    async function () {},
    () => {},
    Object.getPrototypeOf(Int8Array),
    ...iterators.map(Object.getPrototypeOf),
  ];
  return hidden;
})()
