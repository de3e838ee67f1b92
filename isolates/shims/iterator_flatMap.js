function flatMap(f) {
  const source = this;
  return (function* () {
    let i = 0;
    for (const v of source) yield* f(v, i++);
  })();
}
