({ digest, keySign, keyVerify, keyEncrypt, keyDecrypt, keyDerive, keyImport, keyExport, keyGenerate, keyPublic, refuseRandom }) => {
  const fail = (name, message) => {
    throw new DOMException(message, name);
  };
  const bytesOf = (v, what) => {
    if (v instanceof ArrayBuffer) return new Uint8Array(v.slice(0));
    if (ArrayBuffer.isView(v)) return new Uint8Array(v.buffer, v.byteOffset, v.byteLength).slice();
    throw new TypeError(`${what} is not an ArrayBuffer or a view of one`);
  };
  const numberOf = (v, what) => {
    const n = Number(v);
    if (!Number.isInteger(n) || n < 0 || n > 0xffffffff) throw new TypeError(`${what} is out of range`);
    return n;
  };
  const known = (list) => new Map(list.map((name) => [name.toLowerCase(), name]));
  const hashes = known(["SHA-1", "SHA-256", "SHA-384", "SHA-512"]);
  const blockBits = { "SHA-1": 512, "SHA-256": 512, "SHA-384": 1024, "SHA-512": 1024 };
  const algorithms = known([
    "HMAC", "RSASSA-PKCS1-v1_5", "RSA-PSS", "RSA-OAEP", "ECDSA", "ECDH", "AES-CBC", "AES-CTR", "AES-GCM", "PBKDF2", "HKDF", "Ed25519",
    "X25519",
  ]);
  const usages = {
    "HMAC": { secret: ["sign", "verify"] },
    "RSASSA-PKCS1-v1_5": { private: ["sign"], public: ["verify"] },
    "RSA-PSS": { private: ["sign"], public: ["verify"] },
    "RSA-OAEP": { private: ["decrypt", "unwrapKey"], public: ["encrypt", "wrapKey"] },
    "ECDSA": { private: ["sign"], public: ["verify"] },
    "Ed25519": { private: ["sign"], public: ["verify"] },
    "ECDH": { private: ["deriveKey", "deriveBits"], public: [] },
    "X25519": { private: ["deriveKey", "deriveBits"], public: [] },
    "AES-CBC": { secret: ["encrypt", "decrypt", "wrapKey", "unwrapKey"] },
    "AES-CTR": { secret: ["encrypt", "decrypt", "wrapKey", "unwrapKey"] },
    "AES-GCM": { secret: ["encrypt", "decrypt", "wrapKey", "unwrapKey"] },
    "PBKDF2": { secret: ["deriveKey", "deriveBits"] },
    "HKDF": { secret: ["deriveKey", "deriveBits"] },
  };
  const isRSA = (name) => name.startsWith("RSA");
  const isEC = (name) => name === "ECDSA" || name === "ECDH";
  const isAES = (name) => name.startsWith("AES");

  const nameOf = (algorithm, list, what) => {
    const name = typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm;
    if (name === undefined) throw new TypeError(`${what}: the algorithm has no name`);
    return list.get(String(name).toLowerCase()) ?? fail("NotSupportedError", `Unrecognized algorithm name: ${String(name)}`);
  };
  const algorithmOf = (algorithm) => ({ ...(typeof algorithm === "object" ? algorithm : {}), name: nameOf(algorithm, algorithms, "algorithm") });
  const hashOf = (algorithm) => {
    if (algorithm.hash === undefined) throw new TypeError(`${algorithm.name}: a hash is required`);
    return nameOf(algorithm.hash, hashes, "hash");
  };

  const secret = {};
  class CryptoKey {
    #handle;
    #type;
    #algorithm;
    #extractable;
    #usages;
    constructor(key, handle, type, algorithm, extractable, list) {
      if (key !== secret) throw new TypeError("Illegal constructor");
      this.#handle = handle;
      this.#type = type;
      this.#algorithm = Object.freeze(algorithm);
      this.#extractable = extractable;
      this.#usages = Object.freeze(list);
    }
    static handle_(key) {
      if (typeof key !== "object" || key === null || !(#handle in key)) throw new TypeError("the key is not a CryptoKey");
      return key.#handle;
    }
    get type() {
      return this.#type;
    }
    get algorithm() {
      return this.#algorithm;
    }
    get extractable() {
      return this.#extractable;
    }
    get usages() {
      return this.#usages;
    }
    get [Symbol.toStringTag]() {
      return "CryptoKey";
    }
  }

  // The algorithm attribute of a key.
  const describe = (algorithm, native) => {
    const { name } = algorithm;
    if (isRSA(name)) {
      return { name, modulusLength: native.bits, publicExponent: new Uint8Array(native.exponent), hash: { name: hashOf(algorithm) } };
    }
    if (isEC(name)) return { name, namedCurve: String(algorithm.namedCurve) };
    if (name === "HMAC") return { name, hash: { name: hashOf(algorithm) }, length: native.bits };
    return isAES(name) ? { name, length: native.bits } : { name };
  };
  const order = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];
  const checkUsages = (name, type, list, required) => {
    const given = new Set([...list].map(String));
    for (const usage of given) if (!order.includes(usage)) throw new TypeError(`'${usage}' is not a key usage`);
    const out = order.filter((usage) => given.has(usage));
    if (out.some((usage) => !usages[name][type].includes(usage))) fail("SyntaxError", `Unsupported key usage for a ${type} key of ${name}`);
    if (required && out.length === 0) fail("SyntaxError", "Usages cannot be empty when importing or generating a private or secret key");
    return out;
  };
  const keyOf = (algorithm, native, extractable, list) =>
    new CryptoKey(secret, native.handle, native.type, describe(algorithm, native), native.type === "public" || Boolean(extractable), list);

  // Checks that a key serves for an operation, and returns what the host knows it by.
  const use = (key, name, usage) => {
    const handle = CryptoKey.handle_(key);
    if (key.algorithm.name !== name) fail("InvalidAccessError", `The key is not one of ${name}`);
    if (!key.usages.includes(usage)) fail("InvalidAccessError", `The key does not permit ${usage}`);
    return handle;
  };

  const cipherParams = (algorithm) => {
    const { name } = algorithm;
    switch (name) {
      case "RSA-OAEP":
        return { name, label: algorithm.label === undefined ? undefined : bytesOf(algorithm.label, "label") };
      case "AES-CBC": {
        const iv = bytesOf(algorithm.iv, "iv");
        if (iv.length !== 16) fail("OperationError", "The iv must have 16 bytes");
        return { name, iv };
      }
      case "AES-CTR": {
        const counter = bytesOf(algorithm.counter, "counter");
        const counterBits = numberOf(algorithm.length, "length");
        if (counter.length !== 16) fail("OperationError", "The counter must have 16 bytes");
        if (counterBits < 1 || counterBits > 128) fail("OperationError", "The length of the counter must be from 1 to 128");
        return { name, counter, counterBits };
      }
      case "AES-GCM": {
        const iv = bytesOf(algorithm.iv, "iv");
        const tagLength = algorithm.tagLength === undefined ? 128 : numberOf(algorithm.tagLength, "tagLength");
        if (iv.length === 0) fail("OperationError", "The iv must not be empty");
        if (![96, 104, 112, 120, 128].includes(tagLength)) {
          fail([32, 64].includes(tagLength) ? "NotSupportedError" : "OperationError", `A tagLength of ${tagLength} is not supported`);
        }
        const additionalData = algorithm.additionalData === undefined ? undefined : bytesOf(algorithm.additionalData, "additionalData");
        return { name, iv, tagLength, additionalData };
      }
    }
    return fail("NotSupportedError", `${name} cannot encrypt`);
  };
  const signParams = (algorithm, key) => {
    const { name } = algorithm;
    if (!["HMAC", "RSASSA-PKCS1-v1_5", "RSA-PSS", "ECDSA", "Ed25519"].includes(name)) fail("NotSupportedError", `${name} cannot sign`);
    const out = { name, hash: name === "ECDSA" ? hashOf(algorithm) : key.algorithm?.hash?.name };
    if (name === "RSA-PSS") {
      out.saltLength = numberOf(algorithm.saltLength, "saltLength");
      if (out.saltLength === 0) fail("NotSupportedError", "RSA-PSS without a salt is not supported");
    }
    return out;
  };
  const deriveParams = (algorithm, bits) => {
    const { name } = algorithm;
    switch (name) {
      case "PBKDF2":
        return { name, hash: hashOf(algorithm), salt: bytesOf(algorithm.salt, "salt"), iterations: numberOf(algorithm.iterations, "iterations"), bits };
      case "HKDF":
        return { name, hash: hashOf(algorithm), salt: bytesOf(algorithm.salt, "salt"), info: bytesOf(algorithm.info, "info"), bits };
      case "ECDH":
      case "X25519": {
        const peer = CryptoKey.handle_(algorithm.public);
        if (algorithm.public.type !== "public") fail("InvalidAccessError", "The key of the other party is not a public key");
        if (algorithm.public.algorithm.name !== name) fail("InvalidAccessError", "The key of the other party is of another algorithm");
        return { name, peer, bits: bits ?? 0 };
      }
    }
    return fail("NotSupportedError", `${name} cannot derive`);
  };
  const derive = (algorithm, key, bits, usage) => {
    const handle = use(key, algorithm.name, usage);
    const params = deriveParams(algorithm, bits);
    const agreement = algorithm.name === "ECDH" || algorithm.name === "X25519";
    if (!agreement && (bits === null || bits === undefined || bits % 8 !== 0)) fail("OperationError", "The length must be a multiple of 8");
    if (bits === 0 && !agreement) return new ArrayBuffer(0);
    const out = new Uint8Array(keyDerive(handle, params));
    if (bits % 8) out[out.length - 1] &= 0xff << (8 - (bits % 8));
    return out.buffer;
  };
  const secretBits = (algorithm) => {
    const { name } = algorithm;
    if (isAES(name)) {
      const length = numberOf(algorithm.length, "length");
      if (![128, 192, 256].includes(length)) fail("OperationError", "An AES key has 128, 192 or 256 bits");
      return length;
    }
    if (name !== "HMAC") return null;
    if (algorithm.length === undefined) return blockBits[hashOf(algorithm)];
    const length = numberOf(algorithm.length, "length");
    if (length === 0) fail("OperationError", "The length of an HMAC key must not be zero");
    return length;
  };
  const importNative = (format, data, algorithm) => {
    const { name } = algorithm;
    const params = { name, namedCurve: isEC(name) ? String(algorithm.namedCurve) : undefined };
    if (isRSA(name) || name === "HMAC") hashOf(algorithm);
    if (format !== "jwk") return keyImport(String(format), params, bytesOf(data, "keyData"));
    if (typeof data !== "object" || data === null || data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
      throw new TypeError("keyData is not a JsonWebKey");
    }
    return keyImport("jwk", params, JSON.stringify(data));
  };
  const jwkName = ({ name, hash, length, namedCurve }) => {
    const size = hash?.name.slice(4);
    switch (name) {
      case "HMAC":
        return "HS" + size;
      case "RSASSA-PKCS1-v1_5":
        return "RS" + size;
      case "RSA-PSS":
        return "PS" + size;
      case "RSA-OAEP":
        return size === "1" ? "RSA-OAEP" : "RSA-OAEP-" + size;
      case "Ed25519":
        return "Ed25519";
    }
    return isAES(name) ? `A${length}${name.slice(4)}` : undefined;
  };

  class SubtleCrypto {
    constructor(key) {
      if (key !== secret) throw new TypeError("Illegal constructor");
    }
    async digest(algorithm, data) {
      return digest(null, { hash: nameOf(algorithm, hashes, "digest") }, bytesOf(data, "data"));
    }
    async importKey(format, keyData, algorithm, extractable, keyUsages) {
      algorithm = algorithmOf(algorithm);
      const { name } = algorithm;
      if (keyUsages === undefined) throw new TypeError("importKey requires 5 arguments");
      if (!["raw", "pkcs8", "spki", "jwk"].includes(format)) throw new TypeError(`'${String(format)}' is not a key format`);
      if ((name === "PBKDF2" || name === "HKDF") && (format !== "raw" || extractable)) {
        fail(format === "raw" ? "SyntaxError" : "NotSupportedError", `A key of ${name} is imported as raw and cannot be extractable`);
      }
      const native = importNative(format, keyData, algorithm);
      const list = checkUsages(name, native.type, keyUsages, native.type !== "public");
      if (format === "jwk") {
        const described = jwkName(describe(algorithm, native));
        const { alg, ext, use: purpose } = keyData;
        if (alg !== undefined && described !== undefined && alg !== described && !(name === "Ed25519" && alg === "EdDSA")) {
          fail("DataError", "The alg member of the JWK does not match the algorithm");
        }
        if (ext === false && extractable) fail("DataError", "The ext member of the JWK forbids to extract the key");
        const wanted = list.some((u) => u === "sign" || u === "verify") ? "sig" : "enc";
        if (purpose !== undefined && list.length > 0 && purpose !== wanted) fail("DataError", "The use member of the JWK does not match the usages");
        if (Array.isArray(keyData.key_ops) && list.some((u) => !keyData.key_ops.includes(u))) {
          fail("DataError", "The key_ops member of the JWK does not allow the usages");
        }
      }
      return keyOf(algorithm, native, extractable, list);
    }
    async exportKey(format, key) {
      const handle = CryptoKey.handle_(key);
      if (!["raw", "pkcs8", "spki", "jwk"].includes(format)) throw new TypeError(`'${String(format)}' is not a key format`);
      if (key.algorithm.name === "PBKDF2" || key.algorithm.name === "HKDF") fail("NotSupportedError", "The key cannot be exported");
      if (!key.extractable) fail("InvalidAccessError", "The key is not extractable");
      const out = keyExport(handle, format);
      if (format !== "jwk") return out;
      const jwk = { ...JSON.parse(out), key_ops: [...key.usages], ext: key.extractable };
      const alg = jwkName(key.algorithm);
      return alg === undefined ? jwk : { ...jwk, alg };
    }
    async generateKey(algorithm, extractable, keyUsages) {
      algorithm = algorithmOf(algorithm);
      const { name } = algorithm;
      refuseRandom();
      if (name === "PBKDF2" || name === "HKDF") fail("NotSupportedError", `Keys of ${name} cannot be generated`);
      if (isRSA(name)) {
        hashOf(algorithm);
        const exponent = bytesOf(algorithm.publicExponent, "publicExponent");
        if (exponent.reduce((n, b) => n * 256 + b, 0) !== 65537) fail("OperationError", "The public exponent must be 65537");
      }
      const paired = "public" in usages[name];
      const all = paired ? [...usages[name].private, ...usages[name].public] : usages[name].secret;
      const given = [...(keyUsages ?? [])].map(String);
      if (given.some((u) => !all.includes(u))) fail("SyntaxError", `Unsupported key usage for a key of ${name}`);
      const own = given.filter((u) => !paired || usages[name].private.includes(u));
      if (own.length === 0) fail("SyntaxError", "Usages cannot be empty when importing or generating a private or secret key");
      const native = keyGenerate({
        name, namedCurve: isEC(name) ? String(algorithm.namedCurve) : undefined,
        bits: isRSA(name) ? numberOf(algorithm.modulusLength, "modulusLength") : (secretBits(algorithm) ?? 0),
      });
      if (!paired) return keyOf(algorithm, native, extractable, checkUsages(name, "secret", given, true));
      const open = given.filter((u) => usages[name].public.includes(u));
      return {
        publicKey: keyOf(algorithm, { ...native, ...keyPublic(native.handle) }, true, checkUsages(name, "public", open, false)),
        privateKey: keyOf(algorithm, native, extractable, checkUsages(name, "private", own, true)),
      };
    }
    async sign(algorithm, key, data) {
      algorithm = algorithmOf(algorithm);
      const bytes = bytesOf(data, "data");
      const handle = use(key, algorithm.name, "sign");
      const params = signParams(algorithm, key);
      if (algorithm.name === "ECDSA" || algorithm.name === "RSA-PSS") refuseRandom();
      return keySign(handle, params, bytes);
    }
    async verify(algorithm, key, signature, data) {
      algorithm = algorithmOf(algorithm);
      const given = bytesOf(signature, "signature");
      const bytes = bytesOf(data, "data");
      return keyVerify(use(key, algorithm.name, "verify"), signParams(algorithm, key), given, bytes);
    }
    async encrypt(algorithm, key, data) {
      algorithm = algorithmOf(algorithm);
      const bytes = bytesOf(data, "data");
      const handle = use(key, algorithm.name, "encrypt");
      if (algorithm.name === "RSA-OAEP") refuseRandom();
      return keyEncrypt(handle, { ...cipherParams(algorithm), hash: key.algorithm.hash?.name }, bytes);
    }
    async decrypt(algorithm, key, data) {
      algorithm = algorithmOf(algorithm);
      const bytes = bytesOf(data, "data");
      return keyDecrypt(use(key, algorithm.name, "decrypt"), { ...cipherParams(algorithm), hash: key.algorithm.hash?.name }, bytes);
    }
    async deriveBits(algorithm, key, length) {
      return derive(algorithmOf(algorithm), key, length === undefined || length === null ? null : numberOf(length, "length"), "deriveBits");
    }
    async deriveKey(algorithm, key, derived, extractable, keyUsages) {
      derived = algorithmOf(derived);
      const bits = secretBits(derived);
      const raw = derive(algorithmOf(algorithm), key, bits, "deriveKey");
      return await this.importKey("raw", raw, derived, extractable, keyUsages);
    }
    async wrapKey() {
      fail("NotSupportedError", "crypto.subtle.wrapKey is not supported");
    }
    async unwrapKey() {
      fail("NotSupportedError", "crypto.subtle.unwrapKey is not supported");
    }
    get [Symbol.toStringTag]() {
      return "SubtleCrypto";
    }
  }
  class Crypto {
    constructor() {
      throw new TypeError("Illegal constructor");
    }
  }
  return { Crypto, CryptoKey, SubtleCrypto, subtle_: new SubtleCrypto(secret) };
}
