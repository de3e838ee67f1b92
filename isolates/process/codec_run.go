package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"runlog/isolates"
)

// hello is how a child shall be.
type hello struct {
	warm, compiled int
	// apart says that runs wait for the world and not only for us (see link).
	fresh, apart bool
}

func appendHello(b []byte, h *hello) []byte {
	return appendBool(appendBool(appendCount(appendCount(b, h.warm), h.compiled), h.fresh), h.apart)
}

func (d *decoder) hello() hello {
	return hello{warm: d.count(), compiled: d.count(), fresh: d.bool(), apart: d.bool()}
}

// A frameProgram puts a bundle into one of a child's slots, in place of what was there.
func appendProgram(b []byte, slot int, bundle *isolates.Bundle) []byte {
	b = append(appendCount(b, slot), bundle.Hash[:]...)
	b = appendInt64(b, bundle.Deployed)
	return appendList(b, bundle.Modules, func(b []byte, m *isolates.Module) []byte {
		b = appendText(appendText(appendText(b, m.Path), m.Source), m.SourceMap)
		b = appendBool(appendBool(append(b, m.Hash[:]...), m.Stateless), m.Official)
		b = appendCount(b, len(m.Deps))
		for specifier, path := range m.Deps {
			b = appendText(appendText(b, specifier), path)
		}
		return b
	})
}

func (d *decoder) program() (slot int, bundle *isolates.Bundle) {
	slot = d.count()
	bundle = &isolates.Bundle{Hash: d.hash(), Deployed: d.int64()}
	bundle.Modules = list(d, func(d *decoder) isolates.Module {
		m := isolates.Module{Path: d.text(), Source: d.text(), SourceMap: d.bytes(), Hash: d.hash(), Stateless: d.bool(), Official: d.bool(), Deps: map[string]string{}}
		for n := d.length(); n > 0 && !d.bad; n-- {
			specifier := d.text()
			m.Deps[specifier] = d.text()
		}
		return m
	})
	return slot, bundle
}

// A foresight is an operation the parent expects of a run, as bytes, and its answer.
type foresight struct {
	op     []byte
	answer isolates.Answer
}

// appendRun encodes an Invocation without its program and its host.
func appendRun(b []byte, slot int, inv *isolates.Invocation, ahead []foresight) []byte {
	b = appendCount(b, slot)
	b = appendText(appendText(b, inv.Module), inv.Export)
	b = appendText(append(b, byte(inv.Kind)), inv.Args)
	b = appendInt64(append(b, inv.Seed[:]...), inv.Now)
	b = appendLimits(b, inv.Limits)
	b = appendBool(appendText(b, inv.RequestID), inv.Strict)
	b = appendUvarint(b, uint64(inv.Body))
	b = appendBool(b, inv.Request != nil)
	if inv.Request != nil {
		b = appendHTTP(b, inv.Request)
	}
	return appendList(b, ahead, func(b []byte, f *foresight) []byte {
		return appendAnswer(appendText(b, f.op), &f.answer)
	})
}

func (d *decoder) run() (slot int, inv *isolates.Invocation, ahead []foresight) {
	slot = d.count()
	inv = &isolates.Invocation{
		Module: d.text(), Export: d.text(), Kind: d.kind(), Args: d.encoded(), Seed: d.hash(), Now: d.int64(),
		Limits: d.limits(), RequestID: d.text(), Strict: d.bool(), Body: uint32(d.uvarint()),
	}
	if d.bool() {
		inv.Request = d.http()
	}
	return slot, inv, list(d, func(d *decoder) foresight { return foresight{op: d.bytes(), answer: d.answer()} })
}

func appendLimits(b []byte, l isolates.Limits) []byte {
	return appendCount(appendUvarint(appendUvarint(b, uint64(max(l.Timeout, 0))), l.Heap), min(max(l.StackDepth, 0), math.MaxInt32))
}

func (d *decoder) limits() isolates.Limits {
	return isolates.Limits{Timeout: d.duration(), Heap: d.uvarint(), StackDepth: d.count()}
}

// tally is what a child's pool has counted.
type tally struct {
	discarded, compileHits, compileMisses, compileTime uint64
	warmRuntimes                                       int
}

func appendTally(b []byte, t tally) []byte {
	b = appendUvarint(appendUvarint(b, t.discarded), t.compileHits)
	return appendCount(appendUvarint(appendUvarint(b, t.compileMisses), t.compileTime), t.warmRuntimes)
}

func (d *decoder) tally() tally {
	return tally{discarded: d.uvarint(), compileHits: d.uvarint(), compileMisses: d.uvarint(), compileTime: d.uvarint(), warmRuntimes: d.count()}
}

const (
	resultObservedTime = 1 << iota
	resultObservedRandom
	resultWarm
)

func appendResult(b []byte, r *isolates.Result) []byte {
	var flags byte
	if r.ObservedTime {
		flags |= resultObservedTime
	}
	if r.ObservedRandom {
		flags |= resultObservedRandom
	}
	if r.Warm {
		flags |= resultWarm
	}
	b = appendError(append(b, flags), r.Err)
	b = appendText(b, r.Value)
	return appendList(b, r.Logs, appendLogLine)
}

func (d *decoder) result() *isolates.Result {
	flags := d.byte()
	r := &isolates.Result{
		ObservedTime: flags&resultObservedTime != 0, ObservedRandom: flags&resultObservedRandom != 0, Warm: flags&resultWarm != 0,
		Err: d.error(), Value: d.encoded(), Logs: list(d, (*decoder).logLine),
	}
	if r.Err == nil && r.Value == nil {
		d.fail()
	}
	return r
}

// The kinds of errors a run can end with.
const (
	errorNone = iota
	errorScript
	errorTimeout
	errorMemory
	errorHost
)

func appendError(b []byte, err error) []byte {
	var (
		script  *isolates.ScriptError
		timeout *isolates.TimeoutError
		memory  *isolates.OutOfMemoryError
		host    *isolates.HostError
	)
	switch {
	case err == nil:
		return append(b, errorNone)
	case errors.As(err, &script):
		b = appendText(append(b, errorScript), script.Message)
		b = appendList(b, script.Frames, appendFrame)
		return appendText(b, script.Data)
	case errors.As(err, &timeout):
		return appendUvarint(appendUvarint(append(b, errorTimeout), uint64(timeout.Elapsed)), uint64(timeout.Limit))
	case errors.As(err, &memory):
		return appendUvarint(appendUvarint(append(b, errorMemory), memory.Used), memory.Limit)
	case errors.As(err, &host):
		return appendCause(append(b, errorHost), host)
	}
	return appendCause(append(b, errorHost), internalError(err))
}

// appendCause sends the text of an internal error's cause along, which a HostError on its way to a script must not have.
func appendCause(b []byte, e *isolates.HostError) []byte {
	cause := ""
	if e.Cause != nil {
		cause = e.Cause.Error()
	}
	return appendText(appendHostError(b, e), cause)
}

func (d *decoder) error() error {
	switch d.byte() {
	case errorNone:
		return nil
	case errorScript:
		return &isolates.ScriptError{Message: d.text(), Frames: list(d, (*decoder).frame), Data: d.encoded()}
	case errorTimeout:
		return &isolates.TimeoutError{Elapsed: d.duration(), Limit: d.duration()}
	case errorMemory:
		return &isolates.OutOfMemoryError{Used: d.uvarint(), Limit: d.uvarint()}
	case errorHost:
		e := d.hostError()
		if cause := d.text(); cause != "" {
			e.Cause = errors.New(cause)
		}
		return e
	}
	d.fail()
	return nil
}

// internalError is a failure that neither the script nor its developer can mend.
func internalError(cause error) *isolates.HostError {
	return &isolates.HostError{
		Code: "InternalServerError", Message: "Your request couldn't be completed. Try again later.", System: true, Cause: cause,
	}
}

func appendFrame(b []byte, f *isolates.Frame) []byte {
	return appendCount(appendCount(appendText(appendText(b, f.Function), f.File), max(f.Line, 0)), max(f.Column, 0))
}

func (d *decoder) frame() isolates.Frame {
	return isolates.Frame{Function: d.text(), File: d.text(), Line: d.count(), Column: d.count()}
}

// appendAnalyze encodes an AnalyzeRequest without its program.
func appendAnalyze(b []byte, slot int, req *isolates.AnalyzeRequest) []byte {
	b = appendCount(appendText(appendCount(b, slot), req.Only), len(req.Env))
	for name, text := range req.Env {
		b = appendText(appendText(b, name), text)
	}
	return appendLimits(append(appendInt64(b, req.Now), req.Seed[:]...), req.Limits)
}

func (d *decoder) analyze() (slot int, req *isolates.AnalyzeRequest) {
	slot = d.count()
	req = &isolates.AnalyzeRequest{Only: d.text(), Env: map[string]string{}}
	for n := d.length(); n > 0 && !d.bad; n-- {
		name := d.text()
		req.Env[name] = d.text()
	}
	req.Now, req.Seed, req.Limits = d.int64(), d.hash(), d.limits()
	return slot, req
}

func appendAnalysis(b []byte, a *isolates.Analysis, err error) []byte {
	if err != nil {
		return appendAnalyzeError(append(b, 1), err)
	}
	b = appendList(append(b, 0), a.Functions, func(b []byte, f *isolates.FunctionExport) []byte {
		b = append(appendText(appendText(b, f.Module), f.Export), byte(f.Kind))
		b = appendBool(appendBool(b, f.Public), f.Internal)
		return appendFrame(appendText(appendText(b, f.Args), f.Returns), &f.Position)
	})
	b = appendText(appendText(appendText(b, a.Schema), a.Crons), a.AuthConfig)
	return appendList(b, a.Routes, func(b []byte, r *isolates.Route) []byte { return appendText(appendText(b, r.Path), r.Method) })
}

func appendAnalyzeError(b []byte, err error) []byte {
	var e *isolates.AnalyzeError
	if !errors.As(err, &e) {
		e = &isolates.AnalyzeError{Code: "ModuleEvaluationFailed", Message: err.Error(), Err: err}
	}
	return appendError(appendText(appendText(appendText(b, e.Code), e.Module), e.Message), e.Err)
}

func (d *decoder) analysis() (*isolates.Analysis, error) {
	if d.bool() {
		return nil, &isolates.AnalyzeError{Code: d.text(), Module: d.text(), Message: d.text(), Err: d.error()}
	}
	return &isolates.Analysis{
		Functions: list(d, func(d *decoder) isolates.FunctionExport {
			return isolates.FunctionExport{
				Module: d.text(), Export: d.text(), Kind: d.kind(), Public: d.bool(), Internal: d.bool(),
				Args: d.json(), Returns: d.json(), Position: d.frame(),
			}
		}),
		Schema: d.json(), Crons: d.json(), AuthConfig: d.json(),
		Routes: list(d, func(d *decoder) isolates.Route { return isolates.Route{Path: d.text(), Method: d.text()} }),
	}, nil
}

func (d *decoder) json() json.RawMessage {
	b := d.bytes()
	if b != nil && d.hostile && !json.Valid(b) {
		d.fail()
	}
	return b
}

// malformed is the error for a frame that cannot be decoded.
func malformed(kind frameKind) error { return fmt.Errorf("process: malformed frame of kind %d", kind) }
