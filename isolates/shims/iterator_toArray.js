function toArray() {
  return [...this];
}
