function isWellFormed() {
  return !/[\uD800-\uDFFF]/u.test(String(this));
}
