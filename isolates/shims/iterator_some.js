function some(f) {
  let i = 0;
  for (const v of this) if (f(v, i++)) return true;
  return false;
}
