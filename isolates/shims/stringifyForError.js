(value) => {
  const text = JSON.stringify(value, (_, v) => {
    switch (typeof v) {
      case "undefined":
        return "undefined";
      case "function":
        return "[Function]";
      case "symbol":
        return String(v);
      case "bigint":
        return v + "n";
    }
    return v;
  });
  const max = 16384;
  if (text.length <= max) return text;
  const tail = "[...truncated]";
  let end = max - tail.length;
  // Do not cut a surrogate pair in half.
  if (text.codePointAt(end - 1) > 0xffff) end -= 1;
  return text.substring(0, end) + tail;
}
