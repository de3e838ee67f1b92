package isolates

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
)

const (
	logLinesMax  = 256
	logLineMax   = 32768
	logTruncated = " (truncated due to length)"
	logOverflow  = "Log overflow (maximum 256). Remaining log lines omitted."
)

// logBuffer keeps the console lines of a run within their limits.
type logBuffer struct {
	lines []LogLine
}

func (b *logBuffer) add(line LogLine) {
	switch {
	case len(b.lines) >= logLinesMax:
		return
	case len(b.lines) == logLinesMax-1:
		line = LogLine{Level: "ERROR", Text: logOverflow, Time: line.Time}
	}
	b.lines = append(b.lines, line)
}

// log writes one line; while modules are evaluated before a run there is nobody to write to, and the isolate cannot
// be kept, since the line belongs to each run.
func (is *isolate) log(level, text string) {
	if is.loading > 0 {
		is.unsafe = true
	}
	r := is.run
	if r == nil {
		return
	}
	line := LogLine{Level: level, Text: text, Time: int64(is.now())}
	if len(text) > logLineMax {
		line.Text, line.Truncated = clipLine(text), true
	}
	r.logs.add(line)
}

func clipLine(text string) string {
	text = text[:logLineMax-len(logTruncated)]
	for len(text) > 0 && !utf8.ValidString(text[max(0, len(text)-utf8.UTFMax):]) {
		text = text[:len(text)-1]
	}
	return text + logTruncated
}

// formatted joins the arguments as the console shows them.
func (is *isolate) formatted(args []goja.Value) string {
	parts := make([]string, len(args))
	for i, v := range args {
		parts[i] = is.inspect(v)
	}
	return strings.Join(parts, " ")
}

func consoleShape() *shape {
	line := func(name, level string) slot {
		return method(name, 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			is.log(level, is.formatted(call.Arguments))
			return goja.Undefined()
		})
	}
	return newShape(
		line("debug", "DEBUG"), line("error", "ERROR"), line("info", "INFO"), line("log", "LOG"), line("warn", "WARN"),
		method("trace", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			text := is.formatted(call.Arguments)
			for _, f := range is.frames(is.vm.CaptureCallStack(framesMax, nil)) {
				text += "\n    at " + f.String()
			}
			is.log("LOG", text)
			return goja.Undefined()
		}),
		method("time", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			label, r := timerLabel(call), is.run
			if r == nil {
				return goja.Undefined()
			}
			if _, ok := r.timers[label]; ok {
				is.log("WARN", "Timer '"+label+"' already exists")
				return goja.Undefined()
			}
			if r.timers == nil {
				r.timers = map[string]float64{}
			}
			r.timers[label] = is.now()
			return goja.Undefined()
		}),
		method("timeLog", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			is.logTimer(call, false)
			return goja.Undefined()
		}),
		method("timeEnd", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			is.logTimer(call, true)
			return goja.Undefined()
		}),
	)
}

func timerLabel(call goja.FunctionCall) string {
	if isUndefined(arg(call, 0)) {
		return "default"
	}
	return arg(call, 0).String()
}

func (is *isolate) logTimer(call goja.FunctionCall, end bool) {
	label, r := timerLabel(call), is.run
	if r == nil {
		return
	}
	began, ok := r.timers[label]
	if !ok {
		is.log("WARN", "Timer '"+label+"' does not exist")
		return
	}
	elapsed := is.now() - began
	text := label + ": " + strconv.FormatFloat(elapsed, 'f', -1, 64) + "ms"
	if len(call.Arguments) > 1 {
		text += " " + is.formatted(call.Arguments[1:])
	}
	is.log("INFO", text)
	if end {
		delete(r.timers, label)
	}
}
