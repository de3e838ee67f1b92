package isolates

import (
	"fmt"
	"strings"

	"github.com/dop251/goja"
)

// readerSlots are the methods of ctx.db that read. system is the variant under db.system.
func readerSlots(system bool) []slot {
	return []slot{
		method("get", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				if id := arg(call, 1); !isUndefined(id) {
					return is.get(arg(call, 0).String(), id, system)
				}
				return is.get("", arg(call, 0), system)
			})
		}),
		method("query", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			is.checkTableKind(arg(call, 0), system, "query()")
			return is.newTableQuery(arg(call, 0).String(), system)
		}),
		method("normalizeId", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			is.requireArg(arg(call, 0), 1, "normalizeId", "tableName")
			is.requireArg(arg(call, 1), 2, "normalizeId", "id")
			is.checkTableKind(arg(call, 0), system, "normalizeId()")
			a := is.ask(Op{Kind: OpNormalizeID, Table: arg(call, 0).String(), ID: arg(call, 1).String(), System: system, Name: "1.0/db/normalizeId"})
			if a.Text == "" {
				return goja.Null()
			}
			return is.vm.ToValue(a.Text)
		}),
	}
}

// checkTableKind keeps system tables under db.system and others out of it.
func (is *isolate) checkTableKind(table goja.Value, system bool, what string) {
	if isSystem := strings.HasPrefix(table.String(), "_"); isSystem != system {
		kind, place := "User", ""
		if isSystem {
			kind = "System"
		}
		if isSystem {
			place = "system."
		}
		is.throw(fmt.Sprintf("%s tables can only be accessed from db.%s%s.", kind, place, what))
	}
}

func (is *isolate) get(table string, id goja.Value, system bool) goja.Value {
	is.requireArg(id, 1, "get", "id")
	if !goja.IsString(id) {
		is.throw(fmt.Sprintf("Invalid argument `id` for `db.get`, expected string but got '%s': %s", typeOf(id), id.String()))
	}
	return is.enqueue(Op{Kind: OpGet, Table: table, ID: id.String(), System: system, Name: "1.0/get"}, func(a *Answer) goja.Value {
		return is.decodeOrNull(a.Value)
	})
}

func readerShape() *shape {
	return newShape(append(readerSlots(false),
		constant("system", func(is *isolate) goja.Value { return is.newShaped(is.pool.shapes.systemReader) }),
		method("table", 1, func(is *isolate, call goja.FunctionCall) goja.Value { return is.newTable(arg(call, 0), false, false) }),
	)...)
}

func systemReaderShape() *shape {
	return newShape(append(readerSlots(true),
		method("table", 1, func(is *isolate, call goja.FunctionCall) goja.Value { return is.newTable(arg(call, 0), true, false) }),
	)...)
}

func writerShape() *shape {
	return newShape(append(readerSlots(false),
		constant("system", func(is *isolate) goja.Value { return is.newShaped(is.pool.shapes.systemReader) }),
		method("insert", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value { return is.insert(arg(call, 0), arg(call, 1)) })
		}),
		method("patch", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				if v := arg(call, 2); !isUndefined(v) {
					return is.patch(arg(call, 0).String(), arg(call, 1), v)
				}
				return is.patch("", arg(call, 0), arg(call, 1))
			})
		}),
		method("replace", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				if v := arg(call, 2); !isUndefined(v) {
					return is.replace(arg(call, 0).String(), arg(call, 1), v)
				}
				return is.replace("", arg(call, 0), arg(call, 1))
			})
		}),
		method("delete", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				if id := arg(call, 1); !isUndefined(id) {
					return is.remove(arg(call, 0).String(), id)
				}
				return is.remove("", arg(call, 0))
			})
		}),
		method("table", 1, func(is *isolate, call goja.FunctionCall) goja.Value { return is.newTable(arg(call, 0), false, true) }),
		constant("vars", func(is *isolate) goja.Value {
			obj := is.vm.NewObject()
			is.define(obj, "commitTs", is.commitTS())
			return obj
		}),
	)...)
}

func (is *isolate) insert(table, v goja.Value) goja.Value {
	if strings.HasPrefix(table.String(), "_") {
		is.throw("System tables (prefixed with `_`) are read-only.")
	}
	is.requireArg(table, 1, "insert", "table")
	is.requireArg(v, 2, "insert", "value")
	return is.enqueue(Op{Kind: OpInsert, Table: table.String(), Value: is.encode(v), Name: "1.0/insert"}, func(a *Answer) goja.Value {
		return is.vm.ToValue(a.Text)
	})
}

func (is *isolate) patch(table string, id, v goja.Value) goja.Value {
	is.requireArg(id, 1, "patch", "id")
	is.requireArg(v, 2, "patch", "value")
	return is.enqueue(Op{Kind: OpPatch, Table: table, ID: is.idText(id, "patch"), Value: is.encodePatch(v), Name: "1.0/shallowMerge"}, nil)
}

func (is *isolate) replace(table string, id, v goja.Value) goja.Value {
	is.requireArg(id, 1, "replace", "id")
	is.requireArg(v, 2, "replace", "value")
	return is.enqueue(Op{Kind: OpReplace, Table: table, ID: is.idText(id, "replace"), Value: is.encode(v), Name: "1.0/replace"}, nil)
}

func (is *isolate) remove(table string, id goja.Value) goja.Value {
	is.requireArg(id, 1, "delete", "id")
	return is.enqueue(Op{Kind: OpDelete, Table: table, ID: is.idText(id, "delete"), Name: "1.0/remove"}, nil)
}

// idText is the text of an id argument; other values fail as they would in the host's decoder.
func (is *isolate) idText(id goja.Value, method string) string {
	if !goja.IsString(id) {
		is.throw(fmt.Sprintf("Invalid argument `id` for `db.%s`: expected a string, got %s", method, is.stringifyForError(id)))
	}
	return id.String()
}

// table is what db.table(name) returns.
type table struct {
	bare
	name   string
	system bool
}

func (is *isolate) newTable(name goja.Value, system, writer bool) goja.Value {
	key, s := protoTableReader, is.pool.shapes.tableReader
	if writer {
		key, s = protoTableWriter, is.pool.shapes.tableWriter
	}
	return is.withPrototype(&table{name: name.String(), system: system}, is.shapedPrototype(key, s))
}

func (is *isolate) tableHandle(this goja.Value) *table {
	t, ok := dynamic[*table](this)
	if !ok {
		is.throwType("Illegal invocation")
	}
	return t
}

func tableReaderSlots() []slot {
	return []slot{
		method("get", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				t := is.tableHandle(call.This)
				return is.get(t.name, arg(call, 0), t.system)
			})
		}),
		method("query", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			t := is.tableHandle(call.This)
			is.checkTableKind(is.vm.ToValue(t.name), t.system, "query()")
			return is.newTableQuery(t.name, t.system)
		}),
	}
}

func tableWriterShape() *shape {
	return newShape(append(tableReaderSlots(),
		method("insert", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				return is.insert(is.vm.ToValue(is.tableHandle(call.This).name), arg(call, 0))
			})
		}),
		method("patch", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value { return is.patch(is.tableHandle(call.This).name, arg(call, 0), arg(call, 1)) })
		}),
		method("replace", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value { return is.replace(is.tableHandle(call.This).name, arg(call, 0), arg(call, 1)) })
		}),
		method("delete", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value { return is.remove(is.tableHandle(call.This).name, arg(call, 0)) })
		}),
	)...)
}

// commitTS is the placeholder for the timestamp of the commit.
type commitTS struct{ bare }

const commitTSUnresolved = "This commit timestamp is unresolved: its value is assigned when the mutation commits. Read the document after the mutation completes to get its value."

// commitTS is the one placeholder of an isolate.
func (is *isolate) commitTS() goja.Value {
	return is.object(objectCommitTS, func() *goja.Object {
		proto := is.vm.NewObject()
		refuse := func(goja.FunctionCall) goja.Value {
			is.throw(commitTSUnresolved)
			return nil
		}
		text := is.function("toString", 0, func(goja.FunctionCall) goja.Value {
			return is.vm.ToValue("[unresolved commit timestamp]")
		})
		is.must(proto.Set("valueOf", is.function("valueOf", 0, refuse)))
		is.must(proto.Set("toJSON", is.function("toJSON", 0, refuse)))
		is.must(proto.Set("toString", text))
		is.must(proto.SetSymbol(goja.SymToPrimitive, is.function("[Symbol.toPrimitive]", 1, func(call goja.FunctionCall) goja.Value {
			if arg(call, 0).String() != "string" {
				is.throw(commitTSUnresolved)
			}
			return is.vm.ToValue("[unresolved commit timestamp]")
		})))
		is.must(proto.Set("constructor", is.builtin(builtinValues).Get("CommitTsPlaceholder")))
		return is.withPrototype(&commitTS{}, proto)
	})
}
