package isolates

import (
	"errors"
	"regexp"

	"github.com/dop251/goja"
)

// probeModule is what code requires that had a probe put into it: package bundle names it.
const probeModule = "runlog:probe"

var lineBreaks = regexp.MustCompile(`\n *`)

// probe is the export of probeModule: it calls a function and shows the host what came of that, under the given name and place. What the function throws stays
// here, since the code around it must not notice. In a run that is not traced it does nothing.
func (is *isolate) probe(call goja.FunctionCall) goja.Value {
	r := is.run
	value, ok := goja.AssertFunction(call.Argument(0))
	if r == nil || !r.inv.Trace || !ok {
		return goja.Undefined()
	}
	op := Op{Kind: OpProbe, Name: call.Argument(1).String(), ID: call.Argument(2).String(), Logged: len(r.logs.lines)}
	v, err := value(goja.Undefined())
	var thrown *goja.Exception
	switch {
	case errors.As(err, &thrown):
		op.JSON = []byte("throws " + thrown.Value().String())
	case err != nil:
		is.rethrow(err)
	default:
		op.JSON = []byte(lineBreaks.ReplaceAllString(is.inspect(v), " "))
	}
	r.inv.Host.Do(r.ctx, []Op{op})
	return goja.Undefined()
}
