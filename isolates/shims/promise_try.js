function try_(callback, ...args) {
  return new this((resolve) => resolve(callback(...args)));
}
