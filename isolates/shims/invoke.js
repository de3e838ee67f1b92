async (handler, ctx, args, convexToJson) => {
  try {
    const result = await handler(ctx, args);
    return JSON.stringify(convexToJson(result === undefined ? null : result));
  } catch (e) {
    const mark = Symbol.for("ConvexError");
    if (typeof e === "object" && e !== null && mark in e) {
      e.data = JSON.stringify(convexToJson(e.data === undefined ? null : e.data));
      e.ConvexErrorSymbol = mark;
    }
    throw e;
  }
}
