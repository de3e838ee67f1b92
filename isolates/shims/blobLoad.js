async ({ web, loadOp }, id) => {
  const file = await loadOp(id);
  if (file === null) return null;
  return new Blob([await web("body_").Body.ofHost(file.body).consume()], { type: file.type });
}
