function find(f) {
  let i = 0;
  for (const v of this) if (f(v, i++)) return v;
}
