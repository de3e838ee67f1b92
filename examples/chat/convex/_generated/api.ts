// Types for the addresses of this app's functions. Editors read it; the runner has modules of its own for this path.
import { anyApi, type ApiFromModules, type FilterApi, type FunctionReference } from "convex/server";
import type * as channels from "../channels";
import type * as messages from "../messages";
import type * as users from "../users";

type Api = ApiFromModules<{ channels: typeof channels; messages: typeof messages; users: typeof users }>;

export const api: FilterApi<Api, FunctionReference<any, "public">> = anyApi as any;
export const internal: FilterApi<Api, FunctionReference<any, "internal">> = anyApi as any;
