// jose: tokens of every family of algorithms, signed in an action, verified in a query, too.
import * as jose from "jose";
import { v } from "convex/values";
import { action, query } from "./_generated/server";

export const roundTrips = action({
  handler: async () => {
    const out: Record<string, unknown> = {};
    for (const alg of ["RS256", "PS256", "ES256", "ES384", "EdDSA"]) {
      const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
      const token = await new jose.SignJWT({ role: "admin" }).setProtectedHeader({ alg }).setIssuer("me").setAudience("you")
        .setIssuedAt().setExpirationTime("2h").setSubject("ada").sign(privateKey);
      const { payload, protectedHeader } = await jose.jwtVerify(token, publicKey, { issuer: "me", audience: "you" });
      const forged = token.slice(0, -8) + (token.endsWith("AAAAAAAA") ? "BBBBBBBB" : "AAAAAAAA");
      const refused = await jose.jwtVerify(forged, publicKey).then(() => "accepted", (e) => e.code);
      const imported = await jose.importJWK(await jose.exportJWK(publicKey), alg);
      const pem = await jose.importSPKI(await jose.exportSPKI(publicKey), alg);
      out[alg] = [payload.sub, payload.role, protectedHeader.alg, refused,
        (await jose.jwtVerify(token, imported)).payload.sub, (await jose.jwtVerify(token, pem)).payload.sub];
    }
    return out;
  },
});

export const encrypted = action({
  handler: async () => {
    const out: string[] = [];
    const secret = crypto.getRandomValues(new Uint8Array(32));
    const direct = await new jose.EncryptJWT({ a: 1 }).setProtectedHeader({ alg: "dir", enc: "A256GCM" }).encrypt(secret);
    out.push(JSON.stringify((await jose.jwtDecrypt(direct, secret)).payload));
    const { publicKey, privateKey } = await jose.generateKeyPair("RSA-OAEP-256");
    const jwe = await new jose.CompactEncrypt(new TextEncoder().encode("hidden")).setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A128CBC-HS256" }).encrypt(publicKey);
    out.push(new TextDecoder().decode((await jose.compactDecrypt(jwe, privateKey)).plaintext));
    return out;
  },
});

/** Keys from a URL, as identity providers publish them. */
export const remote = action({
  args: { jwks: v.string(), token: v.string() },
  handler: async (_ctx, { jwks, token }) => (await jose.jwtVerify(token, jose.createRemoteJWKSet(new URL(jwks)))).payload.sub,
});

/** Verifying and signing with a shared secret need no randomness. */
export const inQuery = query({
  args: { token: v.string(), key: v.any() },
  handler: async (_ctx, { token, key }) => {
    const { payload } = await jose.jwtVerify(token, await jose.importJWK(key, "ES256"), { currentDate: new Date(1700000000000) });
    const secret = new TextEncoder().encode("a secret of at least thirty-two bytes");
    const mine = await new jose.SignJWT({ n: 1 }).setProtectedHeader({ alg: "HS256" }).sign(secret);
    return [payload.sub, (await jose.jwtVerify(mine, secret)).payload.n];
  },
});
