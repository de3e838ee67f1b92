package engine

import (
	"fmt"
	"testing"

	"runlog/value"
)

const splitApp = `
-- schema.ts --
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ t: defineTable({ n: v.number() }).index("by_n", ["n"]) });
-- m.ts --
import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
export const fill = mutation({ args: {}, handler: async (ctx) => { for (let n = 0; n < 10; n++) await ctx.db.insert("t", { n }); } });
export const byIndex = query({ handler: async (ctx, { opts }) => await ctx.db.query("t").withIndex("by_n").order("desc").paginate(opts) });
export const byTime = query({ handler: async (ctx, { opts }) => await ctx.db.query("t").paginate(opts) });
export const byID = query({ handler: async (ctx, { opts }) => await ctx.db.query("t").withIndex("by_id").paginate(opts) });
`

// TestSplitCursor: a page and the two that its split cursor makes of it hold the same rows, and neither is empty.
func TestSplitCursor(t *testing.T) {
	e := openApp(t, Options{}, splitApp)
	if _, err := e.Runner.Mutation(t.Context(), callOf(t, "m:fill", "{}")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"m:byIndex", "m:byTime", "m:byID"} {
		page := func(opts string) (rows []string, split, end string) {
			t.Helper()
			outcome, err := e.Runner.Query(t.Context(), callOf(t, path, fmt.Sprintf(`{"opts":{"numItems":6,%s}}`, opts)))
			if err != nil {
				t.Fatal(err)
			}
			v, err := outcome.Value.Decode()
			if err != nil {
				t.Fatal(err)
			}
			text := func(name string) string {
				field, _ := v.Get(name)
				if field.Kind() != value.KindString {
					return ""
				}
				return field.Str()
			}
			list, _ := v.Get("page")
			for _, row := range list.Array() {
				n, _ := row.Get("n")
				rows = append(rows, n.String())
			}
			return rows, text("splitCursor"), text("continueCursor")
		}
		whole, split, end := page(`"cursor":null`)
		first, _, _ := page(fmt.Sprintf(`"cursor":null,"endCursor":%q`, split))
		second, _, _ := page(fmt.Sprintf(`"cursor":%q,"endCursor":%q`, split, end))
		if len(whole) != 6 || len(first) != 3 || len(second) != 3 || fmt.Sprint(append(first, second...)) != fmt.Sprint(whole) {
			t.Errorf("%s: %v is split into %v and %v", path, whole, first, second)
		}
	}
}
