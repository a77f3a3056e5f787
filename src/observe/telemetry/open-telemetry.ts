/**
 * Telemetry by OpenTelemetry: spans, metrics and the audit log's records, over OTLP and for Prometheus. Nothing of its SDK
 * is loaded before {@link openTelemetry} is called. docs/telemetry.md is its guide.
 */
import type { TracerProvider } from '@opentelemetry/api';
import type { Observer } from '../../core/ports.ts';
import type { Telemetry } from '../../core/telemetry.ts';
import { checkOptions } from '../../policy/known-options.ts';
import { TELEMETRY } from '../option-kinds.ts';
import type { TelemetrySettings } from './settings.ts';
import type { Sources } from './sources.ts';

export interface OpenTelemetry extends Telemetry, AsyncDisposable {
  readonly observer: Observer;
  /** Every metric as Prometheus reads it (text format 0.0.4); empty where `prometheus` is off. Never rejects. */
  renderMetrics(): Promise<string>;
  /** What `renderMetrics` is to be answered as. */
  readonly metricsContentType: string;
  /** False once something that was to go out could not be sent, or was given up at the end. */
  readonly hasSentAll: boolean;
  /** Figures to be read whenever metrics are collected, until it is disposed of. */
  watch(sources: Sources): Disposable;
  /**
   * Sends what an audit log records from now on, where `logs` is on.
   *
   * @param log `{ directory, id: log.id }`
   * @throws PATH_MISSING
   */
  shipAudit(log: { readonly directory: string; readonly id: string }): void;
  /** Sends what waits, within `shutdownMs`. Never rejects: what could not be sent is counted. */
  flush(): Promise<void>;
  /** Sends what is left, within `shutdownMs`, and ends. Idempotent; never rejects. */
  shutdown(): Promise<void>;
}

export interface OpenTelemetryOptions extends TelemetrySettings {
  /** Of an application that has OpenTelemetry already: spans go there, and `traces` is of no effect. */
  readonly tracerProvider?: TracerProvider;
}

/**
 * @param environment where OTEL_* are looked up; receivers and their headers are always those of this process
 * @throws REQUEST_INVALID for an option that there is not, or of another kind; CONFIG_INVALID
 * @example
 * await using telemetry = await openTelemetry({ traces: true, endpoint: 'http://127.0.0.1:4318' });
 * await using caisson = await Caisson.open({ telemetry });
 */
export async function openTelemetry(
  options: OpenTelemetryOptions = {},
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<OpenTelemetry> {
  checkOptions(options, 'openTelemetry', TELEMETRY, 'observe');
  const { tracerProvider, ...settings } = options;
  const { settle } = await import('./settings.ts');
  const settled = settle(settings, environment);
  const { start } = await import('./providers.ts');
  return await start(settled, tracerProvider);
}
