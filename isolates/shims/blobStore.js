async ({ storeOp }, blob, options) => {
  if (!(blob instanceof Blob)) {
    throw new Error(
      "store() expects a Blob. If you are trying to store a Request, `await request.blob()` will give you the correct input.",
    );
  }
  return storeOp(blob.type, options?.sha256 ?? "", blob.bytes_());
}
