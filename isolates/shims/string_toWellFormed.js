function toWellFormed() {
  return String(this).replace(/[\uD800-\uDFFF]/gu, "\uFFFD");
}
