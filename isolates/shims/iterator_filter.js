function filter(f) {
  const source = this;
  return (function* () {
    let i = 0;
    for (const v of source) if (f(v, i++)) yield v;
  })();
}
