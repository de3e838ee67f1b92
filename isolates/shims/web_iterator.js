() => {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
  function Iterator() {
    if (new.target === undefined || new.target === Iterator) throw new TypeError("Abstract class Iterator not directly constructable");
  }
  Iterator.prototype = prototype;
  Iterator.from = (items) => {
    const iterator = typeof items[Symbol.iterator] === "function" ? items[Symbol.iterator]() : items;
    if (iterator instanceof Iterator) return iterator;
    return (function* () {
      for (;;) {
        const { value, done } = iterator.next();
        if (done) return;
        yield value;
      }
    })();
  };
  return { Iterator };
}
