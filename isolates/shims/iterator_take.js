function take(limit) {
  const source = this;
  const n = Number(limit);
  if (Number.isNaN(n) || n < 0) throw new RangeError(`${limit} must be positive`);
  return (function* () {
    let left = Math.trunc(n);
    if (left === 0) return;
    for (const v of source) {
      yield v;
      if (--left <= 0) return;
    }
  })();
}
