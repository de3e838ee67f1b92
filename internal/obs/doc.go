// Package obs measures the system and shows it: metrics for Prometheus and OTLP, traces for OTLP.
//
// Invariant: nothing a call does, and no answer it gets, depends on this package. It only listens: lower packages
// declare an EventListener or count in Stats, and a Telemetry implements the one and samples the other. Only cmd
// imports it.
//
// The callbacks stand on the path of every call, so they cost little: no allocation, attribute sets built once for
// each function, counters sampled when somebody looks instead of pushed when something happens. Traces are made only
// if there is an endpoint to send them to; without one a call passes no tracing code at all.
//
// Names are those of OpenTelemetry with dots; Prometheus shows runlog.function.duration as
// runlog_function_duration_seconds, and counters with _total. A label never holds what a client wrote: the name of a
// function becomes one only after that function has run.
package obs
