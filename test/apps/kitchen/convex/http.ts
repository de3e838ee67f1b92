// HTTP actions, as browsers, webhooks and curl use them.
import { httpRouter } from "convex/server";
import { ConvexError } from "convex/values";
import { httpAction } from "./_generated/server";
import { api } from "./_generated/api";

const http = httpRouter();
const text = (body: string, init?: ResponseInit) => new Response(body, init);

http.route({ path: "/hello", method: "GET", handler: httpAction(async (ctx, request) =>
  text(`hello ${new URL(request.url).searchParams.get("name")}`, { status: 201, headers: { "X-From": "hello" } })) });
http.route({ pathPrefix: "/files/", method: "GET", handler: httpAction(async (ctx, request) => text("some file")) });
http.route({ pathPrefix: "/files/deep/", method: "GET", handler: httpAction(async (ctx, request) => text(request.url)) });
for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const) {
  http.route({ path: "/method", method, handler: httpAction(async (ctx, request) =>
    text(`${request.method} ${await request.text()}`, { headers: { "Access-Control-Allow-Origin": "http://mine" } })) });
}
http.route({ path: "/echo", method: "POST", handler: httpAction(async (ctx, request) =>
  new Response(request.body, { headers: { "Content-Type": request.headers.get("Content-Type")! } })) });
http.route({ path: "/webhook", method: "POST", handler: httpAction(async (ctx, request) => {
  const { channel, body } = await request.json();
  await ctx.runMutation(api.messages.send, { channel, body });
  return Response.json(await ctx.runQuery(api.messages.list, { channel }));
}) });
http.route({ path: "/count", method: "GET", handler: httpAction(async () => {
  let n = 0;
  return new Response(new ReadableStream({
    async pull(controller) {
      if (++n > 3) controller.close();
      else controller.enqueue(new TextEncoder().encode(`${n};`));
    },
  }));
}) });
http.route({ path: "/large", method: "GET", handler: httpAction(async (ctx, request) => {
  let left = Number(new URL(request.url).searchParams.get("megabytes"));
  const piece = new Uint8Array(1 << 20);
  return new Response(new ReadableStream({
    pull(controller) {
      if (left-- <= 0) controller.close();
      else controller.enqueue(piece);
    },
  }));
}) });
http.route({ path: "/cookies", method: "GET", handler: httpAction(async () => {
  const headers = new Headers();
  headers.append("Set-Cookie", "a=1");
  headers.append("Set-Cookie", "b=2");
  return new Response(null, { status: 204, headers });
}) });
http.route({ path: "/throws", method: "GET", handler: httpAction(async () => { throw new Error("as planned"); }) });
http.route({ path: "/throws-data", method: "GET", handler: httpAction(async () => { throw new ConvexError({ n: 1n }); }) });
http.route({ path: "/who", method: "GET", handler: httpAction(async (ctx) =>
  Response.json(await ctx.auth.getUserIdentity().catch((e) => "refused: " + e.message))) });
http.route({ path: "/auth", method: "GET", handler: httpAction(async (ctx, request) => text(request.headers.get("Authorization") ?? "none")) });
http.route({ path: "/upload", method: "POST", handler: httpAction(async (ctx, request) => {
  const id = await ctx.storage.store(await request.blob());
  const blob = await ctx.storage.get(id);
  return new Response(blob, { headers: { "X-Url": (await ctx.storage.getUrl(id))! } });
}) });

export default http;
