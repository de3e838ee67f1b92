function groupBy(items, callback) {
  const groups = Object.create(null);
  let i = 0;
  for (const item of items) {
    const key = callback(item, i++);
    const name = typeof key === "symbol" ? key : String(key);
    (groups[name] ??= []).push(item);
  }
  return groups;
}
