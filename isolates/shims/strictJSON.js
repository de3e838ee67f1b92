(json) =>
  JSON.stringify(json, (key, v) => {
    if (v === undefined) {
      throw new Error(
        `A validator is undefined for field "${key}". This is often caused by circular imports. ` +
          "See https://docs.convex.dev/error#undefined-validator for details.",
      );
    }
    return v;
  })
