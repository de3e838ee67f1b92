import { query } from "./_generated/server";
import type { QueryCtx } from "./_generated/server";

/** Who calls, as messages name them; null for a guest. There are no users without an auth.config.ts: see the README. */
export async function caller(ctx: QueryCtx) {
  const identity = await ctx.auth.getUserIdentity();
  return identity && { user: identity.tokenIdentifier, name: identity.name ?? identity.email ?? identity.subject };
}

export const me = query({ args: {}, handler: async (ctx) => await caller(ctx) });
