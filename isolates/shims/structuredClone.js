(() => {
  const refuse = (v) => {
    throw new DOMException(`${String(v)} could not be cloned.`, "DataCloneError");
  };
  const errors = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
  const clone = (v, seen) => {
    if (typeof v === "function" || typeof v === "symbol") refuse(v);
    if (typeof v !== "object" || v === null) return v;
    if (seen.has(v)) return seen.get(v);
    const keep = (copy) => {
      seen.set(v, copy);
      return copy;
    };
    if (Array.isArray(v)) {
      const copy = keep(new Array(v.length));
      for (const key of Object.keys(v)) copy[key] = clone(v[key], seen);
      return copy;
    }
    if (v instanceof Date) return keep(new Date(v.getTime()));
    if (v instanceof RegExp) return keep(new RegExp(v.source, v.flags));
    if (v instanceof Boolean || v instanceof Number || v instanceof String) return keep(Object(v.valueOf()));
    if (v instanceof Map) {
      const copy = keep(new Map());
      for (const [key, value] of v) copy.set(clone(key, seen), clone(value, seen));
      return copy;
    }
    if (v instanceof Set) {
      const copy = keep(new Set());
      for (const value of v) copy.add(clone(value, seen));
      return copy;
    }
    if (v instanceof ArrayBuffer) return keep(v.slice(0));
    if (ArrayBuffer.isView(v)) {
      const buffer = clone(v.buffer, seen);
      return keep(new v.constructor(buffer, v.byteOffset, v.length ?? v.byteLength));
    }
    if (v instanceof Error) {
      const copy = keep(new (errors[v.name] ?? Error)(v.message));
      if ("cause" in v) copy.cause = clone(v.cause, seen);
      return copy;
    }
    if (v instanceof Promise || v instanceof WeakMap || v instanceof WeakSet) refuse("#<" + v.constructor.name + ">");
    const copy = keep({});
    for (const key of Object.keys(v)) copy[key] = clone(v[key], seen);
    return copy;
  };
  return (v) => clone(v, new Map());
})()
