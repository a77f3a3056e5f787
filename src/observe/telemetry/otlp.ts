/**
 * Exporters over OTLP/HTTP, in JSON or protobuf, of which that is loaded alone that is asked for. What an exporter could not send is counted; it holds nothing up, since each stands
 * behind a queue of its own that drops what does not fit.
 */
import type { MeterProvider } from '@opentelemetry/api';
import type { LogRecordProcessor } from '@opentelemetry/sdk-logs';
import type { IMetricReader } from '@opentelemetry/sdk-metrics';
import type { SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Settled, Signal } from './settings.ts';

export type Failed = (signal: Signal, items: number) => void;

/** What an exporter tells: 0 is success (`ExportResultCode` of the SDK). */
type Done = (result: { readonly code: number; readonly error?: Error }) => void;

export async function spanProcessor(
  settled: Settled,
  failed: Failed,
  meterProvider: MeterProvider,
): Promise<SpanProcessor> {
  const [{ OTLPTraceExporter }, { BatchSpanProcessor }] = await Promise.all([
    settled.protocols.traces === 'http/protobuf'
      ? import('@opentelemetry/exporter-trace-otlp-proto')
      : import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/sdk-trace'),
  ]);
  const exporter = new OTLPTraceExporter(targetOf(settled, 'traces'));
  return new BatchSpanProcessor({
    exporter: counted(exporter, (spans: readonly unknown[]) => failed('traces', spans.length)),
    ...batchesOf(settled, settled.spans),
    selfObsMeterProvider: meterProvider,
  });
}

export async function recordProcessor(
  settled: Settled,
  failed: Failed,
  meterProvider: MeterProvider,
): Promise<LogRecordProcessor> {
  const [{ OTLPLogExporter }, { BatchLogRecordProcessor }] = await Promise.all([
    settled.protocols.logs === 'http/protobuf'
      ? import('@opentelemetry/exporter-logs-otlp-proto')
      : import('@opentelemetry/exporter-logs-otlp-http'),
    import('@opentelemetry/sdk-logs'),
  ]);
  const exporter = new OTLPLogExporter(targetOf(settled, 'logs'));
  return new BatchLogRecordProcessor({
    exporter: counted(exporter, (records: readonly unknown[]) => failed('logs', records.length)),
    ...batchesOf(settled, settled.records),
    selfObsMeterProvider: meterProvider,
  });
}

export async function metricReader(settled: Settled, failed: Failed): Promise<IMetricReader> {
  const [{ OTLPMetricExporter }, { PeriodicExportingMetricReader }] = await Promise.all([
    settled.protocols.metrics === 'http/protobuf'
      ? import('@opentelemetry/exporter-metrics-otlp-proto')
      : import('@opentelemetry/exporter-metrics-otlp-http'),
    import('@opentelemetry/sdk-metrics'),
  ]);
  const exporter = new OTLPMetricExporter(targetOf(settled, 'metrics'));
  const { metricsEveryMs, exportTimeoutMs = EXPORT_MS } = settled;
  return new PeriodicExportingMetricReader({
    exporter: counted(exporter, () => failed('metrics', 1)),
    exportIntervalMillis: metricsEveryMs,
    exportTimeoutMillis: Math.min(exportTimeoutMs, metricsEveryMs),
  });
}

/** Of OTEL_EXPORTER_OTLP_TIMEOUT too. */
const EXPORT_MS = 10_000;

/** What is not given here, the exporter reads from OTEL_EXPORTER_OTLP_* itself. */
function targetOf(
  { endpoint, headers, exportTimeoutMs }: Settled,
  signal: Signal,
): { url?: string; headers?: Record<string, string>; timeoutMillis?: number } {
  return {
    ...(endpoint === undefined ? {} : { url: `${endpoint}/v1/${signal}` }),
    ...(headers === undefined ? {} : { headers: { ...headers } }),
    ...(exportTimeoutMs === undefined ? {} : { timeoutMillis: exportTimeoutMs }),
  };
}

function batchesOf(
  { exportTimeoutMs }: Settled,
  { delayMs, queue, batch }: Settled['spans'],
): Record<
  'scheduledDelayMillis' | 'maxQueueSize' | 'maxExportBatchSize' | 'exportTimeoutMillis',
  number
> {
  return {
    scheduledDelayMillis: delayMs,
    maxQueueSize: queue,
    maxExportBatchSize: batch,
    exportTimeoutMillis: (exportTimeoutMs ?? EXPORT_MS) + 1000,
  };
}

/** The same exporter, whose failures are told. */
function counted<T, E extends { export(items: T, done: Done): void }>(
  exporter: E,
  lost: (items: T) => void,
): E {
  const send = exporter.export.bind(exporter);
  exporter.export = (items, done) => {
    send(items, (result) => {
      if (result.code !== 0) lost(items);
      done(result);
    });
  };
  return exporter;
}
