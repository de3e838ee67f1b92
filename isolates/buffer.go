package isolates

import "github.com/dop251/goja"

// extendBuffer gives buffers the methods that hand their memory on.
func (is *isolate) extendBuffer(constructor *goja.Object) {
	is.behind(constructor.Get("prototype").(*goja.Object), is.pool.shapes.buffer)
}

func bufferShape() *shape {
	return newShape(
		method("transfer", 0, (*isolate).transferBuffer),
		method("transferToFixedLength", 0, (*isolate).transferBuffer),
	)
}

// transferBuffer moves the memory of a buffer to a new one, of another length if one is given; the old one is detached.
func (is *isolate) transferBuffer(call goja.FunctionCall) goja.Value {
	buf, ok := exported[goja.ArrayBuffer](call.This)
	if !ok {
		is.throwType("ArrayBuffer.prototype.transfer was called on something else")
	}
	if buf.Detached() {
		is.throwType("Cannot perform ArrayBuffer.prototype.transfer on a detached ArrayBuffer")
	}
	b := buf.Bytes()
	if length := arg(call, 0); !isUndefined(length) {
		n := length.ToFloat()
		if !(n >= 0 && n <= bufferMax) {
			is.throwRange("Array buffer allocation failed")
		}
		b = append(make([]byte, 0, int(n)), b[:min(int(n), len(b))]...)[:int(n)]
	}
	buf.Detach()
	return is.newBuffer(b)
}

// transferred detaches the buffers that structuredClone was told to hand over; the clone has their bytes already.
func (is *isolate) transferred(list goja.Value) {
	for _, v := range elements(list) {
		buf, ok := exported[goja.ArrayBuffer](v)
		if !ok || buf.Detached() {
			panic(is.domException("DataCloneError", "Value could not be transferred: only an ArrayBuffer that is not detached can be"))
		}
		buf.Detach()
	}
}
