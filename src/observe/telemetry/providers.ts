/** The SDK's providers, set up and tied together. Loaded only where telemetry is on. */
import type { TracerProvider as AnyTracerProvider } from '@opentelemetry/api';
import { defaultResource, type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { type IMetricReader, MeterProvider } from '@opentelemetry/sdk-metrics';
import { version } from '../../core/version.ts';
import { checkOptions } from '../../policy/known-options.ts';
import { SHIPPED_LOG, SOURCES } from '../option-kinds.ts';
import { AuditShipping } from './audit-records.ts';
import { isMeasured, Metrics } from './metrics.ts';
import type { OpenTelemetry } from './open-telemetry.ts';
import { type Failed, metricReader, recordProcessor, spanProcessor } from './otlp.ts';
import { PROMETHEUS_CONTENT_TYPE } from './prometheus-text.ts';
import { PullReader } from './pull-reader.ts';
import type { Settled } from './settings.ts';
import type { Sources } from './sources.ts';
import { Spans } from './spans.ts';

const SCOPE = 'caisson';

interface Provider {
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

interface LogProvider extends Provider {
  ship(log: { readonly directory: string; readonly id: string }): void;
}

export async function start(
  settled: Settled,
  given: AnyTracerProvider | undefined,
): Promise<OpenTelemetry> {
  const { otlp } = settled;
  const resource = resourceOf(settled);
  const pull = settled.prometheus ? new PullReader() : undefined;
  // The instruments are there once the provider is; until then nothing can have failed.
  let metrics: Metrics | undefined;
  const sent = { all: true };
  const failed: Failed = (signal, items) => {
    sent.all = false;
    const { failures, unsent } = metrics?.instruments ?? {};
    failures?.add(1, { 'caisson.telemetry.signal': signal });
    unsent?.add(items, { 'caisson.telemetry.signal': signal });
  };
  const readers: IMetricReader[] = [
    ...(pull === undefined ? [] : [pull]),
    ...(otlp.metrics ? [await metricReader(settled, failed)] : []),
  ];
  const meters = new MeterProvider({ resource, readers });
  metrics = new Metrics(meters.getMeter(SCOPE, version), settled);
  const traces =
    otlp.traces && given === undefined
      ? await traceProvider(settled, resource, failed, meters)
      : undefined;
  const tracer = (given ?? traces)?.getTracer(SCOPE, version);
  const logs = otlp.logs ? await logProvider(settled, resource, failed, meters) : undefined;
  return new Started(settled, {
    spans: new Spans({
      ...(tracer === undefined ? {} : { tracer }),
      observer: metrics.observe,
      measure: metrics.measure,
      measures: isMeasured,
      reachesGuests: settled.intoGuests,
    }),
    metrics,
    pull,
    logs,
    sent,
    // Metrics last: they count what of the others failed.
    providers: [traces, logs, meters].filter((one) => one !== undefined),
  });
}

interface Parts {
  readonly spans: Spans;
  readonly metrics: Metrics;
  readonly pull: PullReader | undefined;
  readonly logs: LogProvider | undefined;
  readonly sent: { all: boolean };
  readonly providers: readonly Provider[];
}

class Started implements OpenTelemetry {
  readonly metricsContentType = PROMETHEUS_CONTENT_TYPE;
  readonly observer: Metrics['observe'];
  readonly reachesGuests: boolean;
  readonly #parts: Parts;
  readonly #shutdownMs: number;
  #ending: Promise<void> | undefined;

  constructor({ shutdownMs }: Settled, parts: Parts) {
    this.#parts = parts;
    this.#shutdownMs = shutdownMs;
    this.observer = parts.metrics.observe;
    this.reachesGuests = parts.spans.reachesGuests;
  }

  get active(): OpenTelemetry['active'] {
    return this.#parts.spans.active;
  }

  get hasSentAll(): boolean {
    return this.#parts.sent.all;
  }

  begin: OpenTelemetry['begin'] = (name, options) => this.#parts.spans.begin(name, options);

  within: OpenTelemetry['within'] = (span, work) => this.#parts.spans.within(span, work);

  apart: OpenTelemetry['apart'] = (work) => this.#parts.spans.apart(work);

  watch(sources: Sources): Disposable {
    checkOptions(sources, 'watch', SOURCES, 'observe');
    return this.#parts.metrics.watch(sources);
  }

  shipAudit(log: { readonly directory: string; readonly id: string }): void {
    checkOptions(log, 'shipAudit', SHIPPED_LOG, 'observe');
    this.#parts.logs?.ship(log);
  }

  async renderMetrics(): Promise<string> {
    return (await this.#parts.pull?.render().catch(() => '')) ?? '';
  }

  async flush(): Promise<void> {
    await this.#each((provider) => provider.forceFlush());
  }

  shutdown(): Promise<void> {
    this.#ending ??= this.#each((provider) => provider.shutdown());
    return this.#ending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  /** One after the other, all of it within the limit. */
  async #each(work: (provider: Provider) => Promise<void>): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#parts.sent.all = false;
      late.resolve();
    }, this.#shutdownMs);
    const all = async (): Promise<void> => {
      const { providers } = this.#parts;
      const before = providers.slice(0, -1);
      await Promise.allSettled(before.map((provider) => work(provider)));
      await Promise.allSettled(providers.slice(-1).map((provider) => work(provider)));
    };
    try {
      await Promise.race([all(), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function resourceOf({ resource }: Settled): Resource {
  return defaultResource().merge(
    resourceFromAttributes({ 'service.version': version, ...resource }),
  );
}

async function traceProvider(
  settled: Settled,
  resource: Resource,
  failed: Failed,
  meters: MeterProvider,
): Promise<Provider & AnyTracerProvider> {
  const { ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } = await import(
    '@opentelemetry/sdk-trace'
  );
  const root = new TraceIdRatioBasedSampler(settled.sampler.ratio);
  return new TracerProvider({
    resource,
    sampler: settled.sampler.follows ? new ParentBasedSampler({ root }) : root,
    spanProcessors: [await spanProcessor(settled, failed, meters)],
  });
}

async function logProvider(
  settled: Settled,
  resource: Resource,
  failed: Failed,
  meters: MeterProvider,
): Promise<LogProvider> {
  const { LoggerProvider } = await import('@opentelemetry/sdk-logs');
  const processor = await recordProcessor(settled, failed, meters);
  const provider = new LoggerProvider({ resource, processors: [processor] });
  const logger = provider.getLogger('caisson.audit', version);
  const shipped: AuditShipping[] = [];
  return {
    ship: (log) => {
      shipped.push(new AuditShipping(logger, log));
    },
    forceFlush: async () => {
      for (const one of shipped) one.ship();
      await provider.forceFlush();
    },
    shutdown: async () => {
      for (const one of shipped.splice(0)) one.stop();
      await provider.shutdown();
    },
  };
}
