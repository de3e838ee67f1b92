function drop(limit) {
  const source = this;
  const n = Number(limit);
  if (Number.isNaN(n) || n < 0) throw new RangeError(`${limit} must be positive`);
  return (function* () {
    let left = Math.trunc(n);
    for (const v of source) {
      if (left > 0) left--;
      else yield v;
    }
  })();
}
