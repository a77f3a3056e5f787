/** Metrics that are collected when somebody asks, and else not. */
import { AggregationTemporality, InstrumentType, MetricReader } from '@opentelemetry/sdk-metrics';
import { prometheusText } from './prometheus-text.ts';

export class PullReader extends MetricReader {
  constructor() {
    super({
      // Of a gauge, what is observed now: else the last of what is gone would be told for ever.
      aggregationTemporalitySelector: (type) =>
        type === InstrumentType.OBSERVABLE_GAUGE
          ? AggregationTemporality.DELTA
          : AggregationTemporality.CUMULATIVE,
    });
  }

  async render(): Promise<string> {
    const { resourceMetrics } = await this.collect({ timeoutMillis: COLLECT_MS });
    return prometheusText(resourceMetrics);
  }

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}

/** Less than a scrape of Prometheus may take (10 s): a source that hangs costs its own figures alone. */
const COLLECT_MS = 5000;
