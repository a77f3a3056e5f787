/**
 * What is told to whom, by the caller and by OpenTelemetry's own environment variables. The caller's word stands over the
 * environment's. https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */

import { z } from 'zod';
import { CaissonError } from '../../core/error.ts';
import { safeParse } from '../../core/safe-parse.ts';
import { isReceiverUrl, receiverHint } from './receiver-url.ts';

const ms = (description: string) => z.int().min(1).max(3_600_000).optional().describe(description);
const flag = (description: string) => z.boolean().optional().describe(description);

const telemetrySchema = z.strictObject({
  traces: flag('Spans go out over OTLP/HTTP; default: as OTEL_* say, else not'),
  metrics: flag('Metrics go out over OTLP/HTTP; default: as OTEL_* say, else not'),
  logs: flag('Records of the audit log go out over OTLP/HTTP; default: as OTEL_* say, else not'),
  prometheus: flag('Metrics can be rendered as Prometheus reads them; default true'),
  endpoint: z
    .string()
    .refine(isReceiverUrl, {
      error: ({ input }) => receiverHint(String(input)),
    })
    .optional()
    .describe('Base of the receiver; /v1/traces, /v1/metrics, /v1/logs are added to it'),
  protocol: z
    .enum(['http/json', 'http/protobuf'])
    .optional()
    .describe('Encoding over HTTP; default OTEL_EXPORTER_OTLP_PROTOCOL, else `http/json`'),
  headers: z
    .record(z.string(), z.string())
    .optional()
    .describe('Sent with each export; never shown'),
  serviceName: z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe('`service.name`; default OTEL_SERVICE_NAME, else `caisson`'),
  resource: z
    .record(z.string(), z.string())
    .optional()
    .describe('Further attributes of the resource, over OTEL_RESOURCE_ATTRIBUTES'),
  sampleRatio: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Share of the traces that begin here and are kept; a parent decides for its own'),
  tenants: flag('The tenant is a label of every metric; default false: it has no bound of its own'),
  intoGuests: flag('Guests are told their place in the trace; default true'),
  metricsEveryMs: ms('Between two exports of metrics; default 60,000'),
  exportTimeoutMs: ms('Of one export, with what is tried again; default 10,000'),
  shutdownMs: ms('What is left to be sent at the end has so long; default 5,000'),
});

export type TelemetrySettings = z.infer<typeof telemetrySchema>;

export type Signal = 'traces' | 'metrics' | 'logs';

export type Protocol = NonNullable<TelemetrySettings['protocol']>;

export interface Batches {
  readonly delayMs: number;
  readonly queue: number;
  readonly batch: number;
}

export interface Settled {
  readonly otlp: Readonly<Record<Signal, boolean>>;
  readonly protocols: Readonly<Record<Signal, Protocol>>;
  readonly prometheus: boolean;
  readonly endpoint: string | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly resource: Readonly<Record<string, string>>;
  readonly sampler: { readonly follows: boolean; readonly ratio: number };
  readonly tenants: boolean;
  readonly intoGuests: boolean;
  readonly metricsEveryMs: number;
  readonly exportTimeoutMs: number | undefined;
  readonly shutdownMs: number;
  readonly spans: Batches;
  readonly records: Batches;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws CONFIG_INVALID */
export function settle(settings: TelemetrySettings, environment: Environment): Settled {
  const parsed = safeParse(telemetrySchema, settings);
  if (!parsed.success) throw invalid(`the settings: ${z.prettifyError(parsed.error)}`);
  const given = parsed.data;
  const otlp = {
    traces: given.traces ?? isOn('traces', environment),
    metrics: given.metrics ?? isOn('metrics', environment),
    logs: given.logs ?? isOn('logs', environment),
  };
  if (given.endpoint === undefined) requireReceivers(otlp, environment);
  const protocolOf = (signal: Signal): Protocol =>
    given.protocol ?? (otlp[signal] ? namedProtocol(signal, environment) : 'http/json');
  return {
    otlp,
    protocols: {
      traces: protocolOf('traces'),
      metrics: protocolOf('metrics'),
      logs: protocolOf('logs'),
    },
    prometheus: given.prometheus ?? true,
    endpoint: given.endpoint?.replace(/\/+$/, ''),
    headers: given.headers,
    resource: {
      'service.name': 'caisson',
      ...resourceOf(environment),
      ...given.resource,
      ...(given.serviceName === undefined ? {} : { 'service.name': given.serviceName }),
    },
    sampler:
      given.sampleRatio === undefined
        ? samplerOf(environment)
        : { follows: true, ratio: given.sampleRatio },
    tenants: given.tenants ?? false,
    intoGuests: given.intoGuests ?? reaches(environment),
    metricsEveryMs:
      given.metricsEveryMs ?? count(environment, 'OTEL_METRIC_EXPORT_INTERVAL', 60_000),
    exportTimeoutMs: given.exportTimeoutMs,
    shutdownMs: given.shutdownMs ?? 5000,
    spans: batches(environment, 'OTEL_BSP', 5000),
    records: batches(environment, 'OTEL_BLRP', 1000),
  };
}

/** What names an exporter or a receiver asks for it; nobody is sent anything unasked. */
function isOn(signal: Signal, environment: Environment): boolean {
  if (isTrue(textOf(environment, 'OTEL_SDK_DISABLED'))) return false;
  const name = `OTEL_${signal.toUpperCase()}_EXPORTER`;
  const exporters = textOf(environment, name)
    ?.split(',')
    .map((one) => one.trim());
  if (exporters !== undefined) {
    const known = signal === 'metrics' ? ['otlp', 'none', 'prometheus'] : ['otlp', 'none'];
    const unknown = exporters.find((one) => !known.includes(one));
    if (unknown !== undefined) throw invalid(`${name}: ${known.join(', ')}, not ${unknown}`);
    return exporters.includes('otlp');
  }
  return (
    textOf(environment, 'OTEL_EXPORTER_OTLP_ENDPOINT') !== undefined ||
    textOf(environment, `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`) !== undefined
  );
}

/** What the exporters will read themselves. They would send to nowhere, and the service would be none the wiser. */
function requireReceivers(otlp: Settled['otlp'], environment: Environment): void {
  for (const signal of ['traces', 'metrics', 'logs'] as const) {
    if (!otlp[signal]) continue;
    const own = `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`;
    const name = [own, 'OTEL_EXPORTER_OTLP_ENDPOINT'].find((each) => textOf(environment, each));
    const url = name === undefined ? undefined : textOf(environment, name);
    if (url === undefined || isReceiverUrl(url)) continue;
    throw invalid(`${name} is no URL of http or https: ${receiverHint(url)}`);
  }
}

/** Never silently another than was asked for. */
function namedProtocol(signal: Signal, environment: Environment): Protocol {
  for (const name of [
    `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_PROTOCOL`,
    'OTEL_EXPORTER_OTLP_PROTOCOL',
  ]) {
    const protocol = textOf(environment, name);
    if (protocol === undefined) continue;
    if (protocol === 'http/json' || protocol === 'http/protobuf') return protocol;
    throw invalid(`${name} is ${protocol}, and http/json and http/protobuf are spoken`);
  }
  return 'http/json';
}

function samplerOf(environment: Environment): Settled['sampler'] {
  const name = textOf(environment, 'OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on';
  const follows = name.startsWith('parentbased_');
  const kind = follows ? name.slice('parentbased_'.length) : name;
  if (kind === 'always_on') return { follows, ratio: 1 };
  if (kind === 'always_off') return { follows, ratio: 0 };
  if (kind !== 'traceidratio') {
    throw invalid(
      `OTEL_TRACES_SAMPLER: always_on, always_off, traceidratio, or one of them after parentbased_, not ${name}`,
    );
  }
  const text = textOf(environment, 'OTEL_TRACES_SAMPLER_ARG') ?? '1';
  const ratio = Number(text);
  if (!(ratio >= 0 && ratio <= 1)) throw invalid(`OTEL_TRACES_SAMPLER_ARG: 0 to 1, not ${text}`);
  return { follows, ratio };
}

function reaches(environment: Environment): boolean {
  const propagators = textOf(environment, 'OTEL_PROPAGATORS');
  return (
    propagators === undefined || propagators.split(',').some((one) => one.trim() === 'tracecontext')
  );
}

/** `key=value,…`, values percent-encoded. What cannot be read is an error, not left out. */
function resourceOf(environment: Environment): Record<string, string> {
  const named = textOf(environment, 'OTEL_SERVICE_NAME');
  const found: Record<string, string> = {};
  for (const pair of textOf(environment, 'OTEL_RESOURCE_ATTRIBUTES')?.split(',') ?? []) {
    const at = pair.indexOf('=');
    const key = pair.slice(0, at).trim();
    if (at < 1 || key === '') throw invalid('OTEL_RESOURCE_ATTRIBUTES: write key=value,key=value');
    try {
      found[key] = decodeURIComponent(pair.slice(at + 1).trim());
    } catch {
      throw invalid(`OTEL_RESOURCE_ATTRIBUTES: the value of ${key} is not percent-encoded`);
    }
  }
  return named === undefined ? found : { ...found, 'service.name': named };
}

function batches(environment: Environment, prefix: string, delayMs: number): Batches {
  const queue = count(environment, `${prefix}_MAX_QUEUE_SIZE`, 2048);
  return {
    delayMs: count(environment, `${prefix}_SCHEDULE_DELAY`, delayMs),
    queue,
    batch: Math.min(count(environment, `${prefix}_MAX_EXPORT_BATCH_SIZE`, 512), queue),
  };
}

function count(environment: Environment, name: string, preset: number): number {
  const text = textOf(environment, name);
  if (text === undefined) return preset;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0 && value < 2 ** 31) return value;
  throw invalid(`${name}: a whole number above 0, not ${text}`);
}

/** What is empty counts as not set. */
function textOf(environment: Environment, name: string): string | undefined {
  const text = environment[name]?.trim();
  return text === '' ? undefined : text;
}

function isTrue(text: string | undefined): boolean {
  return text?.toLowerCase() === 'true';
}

function invalid(message: string): CaissonError {
  return new CaissonError('CONFIG_INVALID', {
    layer: 'observe',
    message: `telemetry cannot be set up: ${message}`,
    hint: 'docs/telemetry.md has every setting',
  });
}
