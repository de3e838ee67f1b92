import { httpRouter } from "convex/server";
import { internal } from "./_generated/api";
import { httpAction } from "./_generated/server";

const http = httpRouter();

// A webhook: some other service says something about a picture. It proves by HMAC that it knows the secret.
http.route({
  path: "/comments",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const secret = process.env.WEBHOOK_SECRET;
    if (!secret) return Response.json({ error: "Set WEBHOOK_SECRET first." }, { status: 503 });
    const body = await request.text();
    if (!(await signed(body, secret, request.headers.get("X-Signature") ?? ""))) {
      return Response.json({ error: "The signature is wrong." }, { status: 401 });
    }
    const { picture, author, text } = JSON.parse(body) as Record<string, unknown>;
    const id = await ctx.runMutation(internal.comments.add, { picture: String(picture), author: String(author), text: String(text) });
    if (id === null) return Response.json({ error: "There is no such picture." }, { status: 404 });
    return Response.json({ id }, { status: 201 });
  }),
});

// Whether signature is the HMAC-SHA-256 of body, in hex.
async function signed(body: string, secret: string, signature: string): Promise<boolean> {
  if (!/^([0-9a-f]{2})+$/.test(signature)) return false;
  const bytes = (text: string) => new TextEncoder().encode(text);
  const key = await crypto.subtle.importKey("raw", bytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  return await crypto.subtle.verify("HMAC", key, Uint8Array.from(signature.match(/../g)!, (hex) => parseInt(hex, 16)), bytes(body));
}

export default http;
