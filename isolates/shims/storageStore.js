async (syscall, args, blob, options) => {
  if (!(blob instanceof Blob)) {
    throw new Error(
      "store() expects a Blob. If you are trying to store a Request, `await request.blob()` will give you the correct input.",
    );
  }
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let binary = "";
  for (let i = 0; i < bytes.length; i++) binary += String.fromCharCode(bytes[i]);
  return syscall("1.0/storageStore", { ...args, blob: btoa(binary), contentType: blob.type, sha256: options?.sha256 });
}
