// TypedArray.from takes strings, too.
(() => {
  const original = Object.getPrototypeOf(Int8Array.prototype).constructor.from;
  return function from(source, map, self) {
    const list = typeof source === "string" ? [...source] : source;
    return map === undefined ? original.call(this, list) : original.call(this, list, map, self);
  };
})()
