package isolates

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"

	"github.com/dop251/goja"
)

// The web platform is written in JavaScript over a few native functions, the tools; each file is evaluated when a script
// first looks up a global that it defines. Streams are those of a package that is bundled at build time (see
// shims/vendor).

// webFiles says which file of our JavaScript defines a global; a file may define several. Names that end with _ are no
// globals: files get at them through the tool web.
func webFiles() map[string]string {
	out := map[string]string{}
	for file, names := range map[string][]string{
		"web_url":       {"URL", "URLSearchParams"},
		"web_text":      {"TextEncoder", "TextDecoder"},
		"web_pipes":     {"TextEncoderStream", "TextDecoderStream"},
		"web_event":     {"Event", "EventTarget", "AbortController", "AbortSignal"},
		"web_exception": {"DOMException"},
		"web_blob":      {"Blob", "File"},
		"web_formdata":  {"FormData"},
		"web_headers":   {"Headers"},
		"web_body":      {"body_"},
		"web_fetch":     {"Request", "Response", "fetch", "serve_"},
		"web_crypto":    {"Crypto", "CryptoKey", "SubtleCrypto", "subtle_"},
		"web_async":     {"AsyncLocalStorage", "AsyncResource"},
		"web_intl":      {"Intl", "localeNumber_", "localeDate_", "localeCompare_"},
		"web_weak":      {"WeakRef", "FinalizationRegistry"},
		"web_iterator":  {"Iterator"},
		"vendor_streams": {"ReadableStream", "ReadableStreamDefaultReader", "ReadableStreamBYOBReader", "ReadableStreamDefaultController",
			"ReadableByteStreamController", "ReadableStreamBYOBRequest", "WritableStream", "WritableStreamDefaultWriter",
			"WritableStreamDefaultController", "TransformStream", "TransformStreamDefaultController", "ByteLengthQueuingStrategy",
			"CountQueuingStrategy"},
	} {
		for _, name := range names {
			out[name] = file
		}
	}
	return out
}

// web is a global that is written in JavaScript.
func (is *isolate) web(name string) goja.Value {
	file := is.pool.webFiles[name]
	defined := is.files[file]
	if defined == nil {
		is.global.Get("ArrayBuffer") // streams look at whether its instances can be transferred
		defined = is.callShim(file, is.webTools()).(*goja.Object)
		is.files[file] = defined
	}
	return defined.Get(name)
}

// webTools are the native functions behind the web platform.
func (is *isolate) webTools() *goja.Object {
	return is.object(objectWebTools, func() *goja.Object { return is.newShaped(is.pool.shapes.webTools) })
}

func webToolsShape() *shape {
	return newShape(append(subtleSlots(),
		method("web", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			v := is.web(arg(call, 0).String())
			if is.frozen {
				is.freezeObject(v)
			}
			return v
		}),
		method("intl", 4, (*isolate).intl),
		method("now", 0, func(is *isolate, _ goja.FunctionCall) goja.Value {
			is.needImpure("Date")
			return is.vm.ToValue(is.observeNow())
		}),
		method("parseURL", 2, (*isolate).parseURL),
		method("changeURL", 3, (*isolate).changeURL),
		method("encodeUTF8", 1, (*isolate).encodeUTF8),
		method("decodeUTF8", 3, (*isolate).decodeUTF8),
		method("parseMultipart", 2, (*isolate).parseMultipart),
		method("refuseIn", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			if is.run == nil || is.run.loop == nil {
				is.throw(unsupportedText(arg(call, 0).String()))
			}
			return goja.Undefined()
		}),
		method("bodyOpen", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.enqueue(Op{Kind: OpBodyOpen}, func(a *Answer) goja.Value { return is.vm.ToValue(a.Stream) })
		}),
		method("bodyWrite", 3, func(is *isolate, call goja.FunctionCall) goja.Value {
			op := Op{Kind: OpBodyWrite, Stream: uint32(arg(call, 0).ToInteger()), Bytes: bytes.Clone(is.viewBytes(arg(call, 1))), Last: arg(call, 2).ToBoolean()}
			return is.enqueue(op, nil)
		}),
		method("bodyRead", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			op := Op{Kind: OpBodyRead, Stream: uint32(arg(call, 0).ToInteger()), Count: int(arg(call, 1).ToInteger())}
			return is.enqueue(op, func(a *Answer) goja.Value {
				obj := is.vm.NewObject()
				is.define(obj, "bytes", is.newBuffer(a.Bytes))
				is.define(obj, "done", is.vm.ToValue(a.Done))
				return obj
			})
		}),
		method("bodyClose", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.enqueue(Op{Kind: OpBodyClose, Stream: uint32(arg(call, 0).ToInteger()), Name: arg(call, 1).String()}, nil)
		}),
		method("fetchOp", 3, (*isolate).fetchOp),
		method("refuseRandom", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			if is.run == nil || is.run.loop == nil || is.loading > 0 {
				is.throw(unsupportedText("cryptographic randomness"))
			}
			return goja.Undefined()
		}),
		method("respondOp", 3, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.enqueue(is.httpOp(OpRespond, call), nil)
		}),
		method("storeOp", 4, func(is *isolate, call goja.FunctionCall) goja.Value {
			op := Op{Kind: OpBlobStore, Name: arg(call, 0).String(), Text: arg(call, 1).String(), Bytes: bytes.Clone(is.viewBytes(arg(call, 2)))}
			return is.enqueue(op, func(a *Answer) goja.Value { return is.vm.ToValue(a.Text) })
		}),
		method("loadOp", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.enqueue(Op{Kind: OpBlobLoad, ID: arg(call, 0).String()}, func(a *Answer) goja.Value {
				if !a.Found {
					return goja.Null()
				}
				obj := is.vm.NewObject()
				is.define(obj, "type", is.vm.ToValue(a.Text))
				is.define(obj, "body", is.vm.ToValue(a.Stream))
				return obj
			})
		}),
		method("getContext", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			if is.asyncContext == nil {
				return goja.Undefined()
			}
			return is.asyncContext
		}),
		method("setContext", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			is.trackContext()
			is.asyncContext = arg(call, 0)
			return goja.Undefined()
		}),
	)...)
}

// fetchGlobal is the function fetch. What it does is written in JavaScript.
func (is *isolate) fetchGlobal(call goja.FunctionCall) goja.Value {
	switch {
	case is.loading > 0 || is.run == nil:
		is.throw("fetch() unsupported at import time")
	case is.run.loop == nil:
		return is.rejected(is.newError("Error", unsupportedText("fetch()")))
	}
	return is.call(is.web("fetch"), call.Arguments...)
}

// httpOp reads the arguments (head, bytes, body) of an operation that sends a head and a body.
func (is *isolate) httpOp(kind OpKind, call goja.FunctionCall) Op {
	head := arg(call, 0).(*goja.Object)
	m := &HTTPMessage{}
	for name, field := range map[string]*string{"method": &m.Method, "redirect": &m.Redirect, "url": &m.URL, "statusText": &m.StatusText} {
		if v := head.Get(name); !isUndefined(v) {
			*field = v.String()
		}
	}
	if v := head.Get("status"); !isUndefined(v) {
		m.Status = int(v.ToInteger())
	}
	for _, pair := range elements(head.Get("headers")) {
		list := elements(pair)
		m.Headers = append(m.Headers, HTTPHeader{Name: list[0].String(), Value: list[1].String()})
	}
	return Op{Kind: kind, HTTP: m, Bytes: bytes.Clone(is.viewBytes(arg(call, 1))), Stream: uint32(arg(call, 2).ToInteger())}
}

// fetchOp queues a request and returns its promise, and a function that gives it up.
func (is *isolate) fetchOp(call goja.FunctionCall) goja.Value {
	op := is.httpOp(OpFetch, call)
	op.Async = true
	p := &pending{op: op, finish: func(a *Answer) goja.Value { return is.responseHead(a) }}
	r := is.mustRun("")
	p.ctx, p.cancel = context.WithCancel(r.ctx)
	obj := is.vm.NewObject()
	is.define(obj, "promise", is.await(p))
	is.define(obj, "abort", is.vm.ToValue(func(goja.FunctionCall) goja.Value {
		p.cancel()
		return goja.Undefined()
	}))
	return obj
}

func (is *isolate) responseHead(a *Answer) goja.Value {
	headers := make([]any, len(a.HTTP.Headers))
	for i, h := range a.HTTP.Headers {
		headers[i] = is.vm.NewArray(h.Name, h.Value)
	}
	obj := is.vm.NewObject()
	is.define(obj, "status", is.vm.ToValue(a.HTTP.Status))
	is.define(obj, "statusText", is.vm.ToValue(a.HTTP.StatusText))
	is.define(obj, "url", is.vm.ToValue(a.HTTP.URL))
	is.define(obj, "redirected", is.vm.ToValue(a.HTTP.Redirected))
	is.define(obj, "headers", is.vm.NewArray(headers...))
	is.define(obj, "stream", is.vm.ToValue(a.Stream))
	return obj
}

// parseMultipart reads a multipart/form-data body: parseMultipart(bytes, contentType) is a list of its parts.
func (is *isolate) parseMultipart(call goja.FunctionCall) goja.Value {
	_, params, err := mime.ParseMediaType(arg(call, 1).String())
	if err != nil || params["boundary"] == "" {
		is.throwType("Could not parse content as FormData: its Content-Type has no boundary")
	}
	reader := multipart.NewReader(bytes.NewReader(is.viewBytes(arg(call, 0))), params["boundary"])
	var parts []any
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return is.vm.NewArray(parts...)
		}
		var body []byte
		if err == nil {
			body, err = io.ReadAll(part)
		}
		if err != nil {
			is.throwType("Could not parse content as FormData: " + err.Error())
		}
		parts = append(parts, is.formPart(part, body))
	}
}

func (is *isolate) formPart(part *multipart.Part, body []byte) goja.Value {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	name, named := params["name"]
	if err != nil || !named {
		is.throwType("Could not parse content as FormData: a part has no name")
	}
	obj := is.vm.NewObject()
	is.define(obj, "name", is.vm.ToValue(name))
	is.define(obj, "filename", goja.Null())
	if filename, ok := params["filename"]; ok {
		is.define(obj, "filename", is.vm.ToValue(filename))
	}
	contentType := part.Header.Get("Content-Type")
	if contentType == "" {
		contentType = "text/plain"
	}
	is.define(obj, "type", is.vm.ToValue(contentType))
	is.define(obj, "bytes", is.newBuffer(body))
	return obj
}
