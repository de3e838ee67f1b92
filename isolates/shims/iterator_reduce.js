function reduce(f, ...initial) {
  let started = initial.length > 0;
  let total = initial[0];
  let i = 0;
  for (const v of this) {
    if (started) total = f(total, v, i);
    else {
      total = v;
      started = true;
    }
    i++;
  }
  if (!started) throw new TypeError("Reduce of a done iterator with no initial value");
  return total;
}
