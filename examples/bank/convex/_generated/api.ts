// Types for the addresses of this app's functions. Editors read it; the runner has modules of its own for this path.
import { anyApi, type ApiFromModules, type FilterApi, type FunctionReference } from "convex/server";
import type * as bank from "../bank";

type Api = ApiFromModules<{ bank: typeof bank }>;

export const api: FilterApi<Api, FunctionReference<any, "public">> = anyApi as any;
export const internal: FilterApi<Api, FunctionReference<any, "internal">> = anyApi as any;
