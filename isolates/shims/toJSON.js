(v) => JSON.stringify(v)
