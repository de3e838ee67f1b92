async function fromAsync(items, map, thisArg) {
  const out = [];
  let i = 0;
  const add = async (v) => {
    out.push(map ? await map.call(thisArg, v, i++) : v);
  };
  const asyncIterator = items[Symbol.asyncIterator];
  if (asyncIterator) {
    const iterator = asyncIterator.call(items);
    for (;;) {
      const { value, done } = await iterator.next();
      if (done) return out;
      await add(value);
    }
  }
  if (items[Symbol.iterator]) for (const v of items) await add(await v);
  else for (let k = 0; k < items.length; k++) await add(await items[k]);
  return out;
}
