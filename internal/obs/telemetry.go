package obs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope names our instruments among those of other libraries.
const scope = "runlog"

// Options configure a Telemetry. The zero value serves Prometheus and sends nothing.
type Options struct {
	// OTLPEndpoint is the base URL of a collector that speaks OTLP over HTTP, such as http://127.0.0.1:4318; the
	// paths /v1/metrics and /v1/traces are added to its path. Empty sends nothing and makes no traces.
	OTLPEndpoint string
	// ServiceName and ServiceVersion say who reports. ServiceName defaults to "runlog".
	ServiceName, ServiceVersion string
	// TraceRatio is the share of calls that are traced, of those that do not come with a decision; default 1.
	TraceRatio float64
	// ExportInterval is the time between two exports of metrics to OTLPEndpoint; default 15 s.
	ExportInterval time.Duration
	// FunctionsMax bounds the functions that have series of their own; later ones share the label "other".
	// Default 1000.
	FunctionsMax int
	// Logger is told of slow disks, stalled writes, and exports that fail. Default: discarded.
	Logger *slog.Logger
}

// EnsureDefaults fills what was left out.
func (o *Options) EnsureDefaults() {
	if o.ServiceName == "" {
		o.ServiceName = "runlog"
	}
	if o.TraceRatio == 0 {
		o.TraceRatio = 1
	}
	if o.ExportInterval == 0 {
		o.ExportInterval = 15 * time.Second
	}
	if o.FunctionsMax == 0 {
		o.FunctionsMax = 1000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate reports everything that is wrong.
func (o *Options) Validate() error {
	var errs []error
	if o.OTLPEndpoint != "" {
		u, err := url.Parse(o.OTLPEndpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			errs = append(errs, fmt.Errorf("OTLPEndpoint is %q, want a URL such as http://127.0.0.1:4318", o.OTLPEndpoint))
		}
	}
	if o.TraceRatio < 0 || o.TraceRatio > 1 {
		errs = append(errs, fmt.Errorf("TraceRatio is %v, want a share between 0 and 1", o.TraceRatio))
	}
	if o.ExportInterval < 0 || o.FunctionsMax < 0 {
		errs = append(errs, errors.New("ExportInterval and FunctionsMax must not be negative"))
	}
	return errors.Join(errs...)
}

// A Telemetry holds the instruments of one process. Its methods may be called from any goroutine.
type Telemetry struct {
	options     Options
	registry    *prometheus.Registry
	meters      *sdkmetric.MeterProvider
	traces      *sdktrace.TracerProvider // nil without an endpoint
	tracer      trace.Tracer             // nil without an endpoint
	propagator  propagation.TextMapPropagator
	instruments *instruments
	functions   [kinds]functionTable
}

// New makes the instruments and, if there is an endpoint, starts to export. A collector that cannot be reached is no
// error: exports are tried again.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	t := &Telemetry{options: o, registry: prometheus.NewRegistry(), propagator: propagation.TraceContext{}}
	resource, err := resource.Merge(resource.Default(), resource.NewSchemaless(
		attribute.String("service.name", o.ServiceName), attribute.String("service.version", o.ServiceVersion)))
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	for kind := range t.functions {
		t.functions[kind].init(kind, o.FunctionsMax)
	}
	if err := t.openMetrics(ctx, resource); err != nil {
		return nil, fmt.Errorf("telemetry: metrics: %w", err)
	}
	if err := t.openTraces(ctx, resource); err != nil {
		return nil, errors.Join(fmt.Errorf("telemetry: traces: %w", err), t.meters.Shutdown(ctx))
	}
	return t, nil
}

func (t *Telemetry) openMetrics(ctx context.Context, resource *resource.Resource) error {
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(t.registry), otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes))
	if err != nil {
		return err
	}
	t.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	options := []sdkmetric.Option{sdkmetric.WithResource(resource), sdkmetric.WithReader(reader)}
	if t.options.OTLPEndpoint != "" {
		exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(endpoint(t.options.OTLPEndpoint, "/v1/metrics")))
		if err != nil {
			return err
		}
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(
			loggedMetrics{exporter, t.options.Logger}, sdkmetric.WithInterval(t.options.ExportInterval))))
	}
	t.meters = sdkmetric.NewMeterProvider(options...)
	t.instruments, err = newInstruments(t.meters.Meter(scope, metric.WithInstrumentationVersion(t.options.ServiceVersion)))
	if err != nil {
		return err
	}
	return t.watchFunctions()
}

func (t *Telemetry) openTraces(ctx context.Context, resource *resource.Resource) error {
	if t.options.OTLPEndpoint == "" {
		return nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint(t.options.OTLPEndpoint, "/v1/traces")))
	if err != nil {
		return err
	}
	t.traces = sdktrace.NewTracerProvider(sdktrace.WithResource(resource),
		sdktrace.WithBatcher(loggedTraces{exporter, t.options.Logger}),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(t.options.TraceRatio))))
	t.tracer = t.traces.Tracer(scope, trace.WithInstrumentationVersion(t.options.ServiceVersion))
	return nil
}

// endpoint adds a signal's path to the base URL. Validate has parsed it.
func endpoint(base, path string) string {
	joined, err := url.JoinPath(base, path)
	if err != nil {
		return base + path
	}
	return joined
}

// Handler serves the metrics in the formats Prometheus asks for.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Propagate lets requests that carry a W3C traceparent header continue the trace of their sender. Without an endpoint it
// returns next itself.
func (t *Telemetry) Propagate(next http.Handler) http.Handler {
	if t.tracer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(t.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))))
	})
}

// Close sends what was not sent yet, within ctx, and ends the exports. Callbacks may still be called afterwards.
func (t *Telemetry) Close(ctx context.Context) error {
	var err error
	if t.traces != nil {
		err = t.traces.Shutdown(ctx)
	}
	return errors.Join(err, t.meters.Shutdown(ctx))
}

// loggedMetrics and loggedTraces say why an export failed, where the SDK would use a logger of its own.
type loggedMetrics struct {
	sdkmetric.Exporter
	logger *slog.Logger
}

func (e loggedMetrics) Export(ctx context.Context, data *metricdata.ResourceMetrics) error {
	err := e.Exporter.Export(ctx, data)
	if err != nil {
		e.logger.Warn("export of metrics failed", "error", err)
	}
	return nil
}

type loggedTraces struct {
	sdktrace.SpanExporter
	logger *slog.Logger
}

func (e loggedTraces) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		e.logger.Warn("export of traces failed", "error", err, "spans", len(spans))
	}
	return nil
}
