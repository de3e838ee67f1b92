(args, table, index, query, toJson) => {
  const vector = query.vector;
  if (!vector || !Array.isArray(vector) || vector.length === 0) {
    throw new Error("`vector` must be a non-empty Array in vectorSearch");
  }
  class Expression {
    constructor(json) {
      this.json = json;
    }
  }
  const json = (v) => (v instanceof Expression ? v.json : { $literal: v === undefined ? { $undefined: null } : toJson(v) });
  const builder = {
    eq(field, v) {
      if (typeof field !== "string") throw new Error("The first argument to `q.eq` must be a field name.");
      return new Expression({ $eq: [{ $field: field }, json(v)] });
    },
    or: (...list) => new Expression({ $or: list.map(json) }),
  };
  return {
    ...args,
    query: {
      indexName: table + "." + index,
      limit: query.limit,
      vector,
      expressions: query.filter ? json(query.filter(builder)) : null,
    },
  };
}
