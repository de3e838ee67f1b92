function forEach(f) {
  let i = 0;
  for (const v of this) f(v, i++);
}
