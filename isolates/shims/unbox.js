(v) => v.valueOf()
