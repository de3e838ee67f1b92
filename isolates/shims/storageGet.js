async (syscall, args) => {
  const file = await syscall("1.0/storageGet", args);
  if (file === null) return null;
  const binary = atob(file.blob);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return new Blob([bytes], { type: file.contentType ?? "" });
}
