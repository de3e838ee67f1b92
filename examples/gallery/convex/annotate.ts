import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalAction } from "./_generated/server";

// Looks at a picture: its format and size from its first bytes and, if CAPTION_URL names a service, what is in it. An action may take
// its time and use the network; what it finds is written by a mutation, and every page that shows the picture sees it at once.
export const annotate = internalAction({
  args: { picture: v.id("pictures") },
  handler: async (ctx, { picture }) => {
    const row = await ctx.runQuery(internal.pictures.get, { picture });
    const blob = row && (await ctx.storage.get(row.file));
    if (!blob) return; // it was removed meanwhile
    try {
      const facts = { ...measure(new DataView(await blob.arrayBuffer())), bytes: blob.size, caption: await caption(blob) };
      await ctx.runMutation(internal.pictures.annotated, { picture, facts });
    } catch (error) {
      await ctx.runMutation(internal.pictures.annotated, { picture, problem: error instanceof Error ? error.message : String(error) });
    }
  },
});

async function caption(blob: Blob): Promise<string | undefined> {
  const service = process.env.CAPTION_URL;
  if (!service) return undefined;
  const response = await fetch(service, { method: "POST", body: blob, headers: { "Content-Type": blob.type }, signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`The caption service answered ${response.status}.`);
  return ((await response.json()) as { caption: string }).caption;
}

// Format and size of a picture, from where its format keeps them.
function measure(data: DataView): { format: string; width: number; height: number } {
  if (data.byteLength > 24 && data.getUint32(0) === 0x89504e47) return { format: "PNG", width: data.getUint32(16), height: data.getUint32(20) };
  if (data.byteLength > 10 && data.getUint32(0) === 0x47494638) return { format: "GIF", width: data.getUint16(6, true), height: data.getUint16(8, true) };
  if (data.byteLength > 4 && data.getUint16(0) === 0xffd8) {
    // Segments: a marker, then a length. Those that begin a frame hold height and width.
    for (let at = 2; at + 9 < data.byteLength; at += 2 + data.getUint16(at + 2)) {
      const marker = data.getUint8(at + 1);
      if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
        return { format: "JPEG", width: data.getUint16(at + 7), height: data.getUint16(at + 5) };
      }
    }
  }
  throw new Error("It is neither PNG, GIF nor JPEG.");
}
