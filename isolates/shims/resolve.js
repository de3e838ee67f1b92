(v) => Promise.resolve(v)
