function groupBy(items, callback) {
  const groups = new Map();
  let i = 0;
  for (const item of items) {
    const key = callback(item, i++);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
