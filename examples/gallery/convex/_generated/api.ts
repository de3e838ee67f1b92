// Types for the addresses of this app's functions. Editors read it; the runner has modules of its own for this path.
import { anyApi, type ApiFromModules, type FilterApi, type FunctionReference } from "convex/server";
import type * as annotate from "../annotate";
import type * as comments from "../comments";
import type * as pictures from "../pictures";

type Api = ApiFromModules<{ annotate: typeof annotate; comments: typeof comments; pictures: typeof pictures }>;

export const api: FilterApi<Api, FunctionReference<any, "public">> = anyApi as any;
export const internal: FilterApi<Api, FunctionReference<any, "internal">> = anyApi as any;
