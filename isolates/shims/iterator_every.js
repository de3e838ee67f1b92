function every(f) {
  let i = 0;
  for (const v of this) if (!f(v, i++)) return false;
  return true;
}
