/**
 * Thresholds on live usage, and when one is crossed: once for each crossing. What was crossed alerts again only after the
 * value has fallen to `clearAt`, so that a value that trembles around the line is one alert.
 */

import * as z from 'zod/mini';
import { CaissonError } from '../../core/error.ts';
import { safeParse } from '../../core/safe-parse.ts';
import type { Rates, Sample } from './sample.ts';

export const METRICS = [
  'cpuCores',
  'memoryBytes',
  'processes',
  'readBytesPerSecond',
  'writtenBytesPerSecond',
  'sentBytesPerSecond',
  'receivedBytesPerSecond',
  'connectionsPerSecond',
  'openConnections',
  'sandboxes',
] as const;

export type Metric = (typeof METRICS)[number];

export const thresholdSchema = z.strictObject({
  name: z.optional(z.string().check(z.minLength(1), z.describe('How the alert is called'))),
  metric: z.enum(METRICS).check(z.describe('What is compared; `sandboxes` is of the total alone')),
  above: z
    .number()
    .check(z.gte(0), z.describe('Crossed where the value is above this, in the metric’s unit')),
  clearAt: z.optional(
    z
      .number()
      .check(z.gte(0), z.describe('Over again at or below this; default nine tenths of `above`')),
  ),
  forMs: z.optional(
    z
      .number()
      .check(z.gte(0), z.describe('Above it for so long, in ms, without a break; default 0')),
  ),
  of: z.optional(
    z
      .string()
      .check(
        z.minLength(1),
        z.describe('`each` sandbox (default), the `total`, or the id of one sandbox'),
      ),
  ),
});

export type Threshold = z.infer<typeof thresholdSchema>;

export interface Alert {
  /** The threshold's name, else e.g. `memoryBytes > 1000`. */
  readonly threshold: string;
  readonly metric: Metric;
  /** Id of the sandbox or run, or `total`. */
  readonly id: string;
  readonly value: number;
  readonly above: number;
  /** Wall clock, Unix ms. */
  readonly timeMs: number;
}

interface Crossing {
  readonly sinceMs: number;
  told: boolean;
}

/** Follows thresholds over samples that come one after the other. */
export class ThresholdWatch {
  readonly #thresholds: readonly (Threshold & { readonly label: string })[];
  readonly #crossings = new Map<string, Crossing>();

  /** @throws REQUEST_INVALID */
  constructor(thresholds: readonly Threshold[]) {
    this.#thresholds = thresholds.map((threshold) => {
      const parsed = safeParse(thresholdSchema, threshold);
      if (!parsed.success) throw invalid(z.prettifyError(parsed.error));
      const { above, clearAt, metric, name, of } = parsed.data;
      if (clearAt !== undefined && clearAt > above) {
        throw invalid(`clearAt, ${clearAt}, is above the threshold itself, ${above}`);
      }
      if (metric === 'sandboxes' && of !== 'total')
        throw invalid('sandboxes is of the total alone');
      return { ...parsed.data, label: name ?? `${metric} > ${above}` };
    });
  }

  /** @param atMs monotonic */
  check(sample: Sample, atMs: number): Alert[] {
    const alerts: Alert[] = [];
    const seen = new Set<string>();
    this.#thresholds.forEach((threshold, index) => {
      for (const [id, value] of valuesOf(sample, threshold)) {
        const key = `${index} ${id}`;
        seen.add(key);
        if (!this.#crosses(key, threshold, value, atMs)) continue;
        const { metric, above, label } = threshold;
        alerts.push({ threshold: label, metric, id, value, above, timeMs: sample.timeMs });
      }
    });
    // Of a sandbox that is gone nothing is remembered.
    for (const key of this.#crossings.keys()) if (!seen.has(key)) this.#crossings.delete(key);
    return alerts;
  }

  #crosses(key: string, threshold: Threshold, value: number, atMs: number): boolean {
    const { above, clearAt = above * 0.9, forMs = 0 } = threshold;
    const crossing = this.#crossings.get(key);
    if (value <= above) {
      // Before it was told, any break starts the time anew.
      if (crossing?.told !== true || value <= clearAt) this.#crossings.delete(key);
      return false;
    }
    if (crossing?.told === true) return false;
    const now = crossing ?? { sinceMs: atMs, told: false };
    now.told = atMs - now.sinceMs >= forMs;
    this.#crossings.set(key, now);
    return now.told;
  }
}

/** What it is compared with; a rate that is not known yet is no value. */
function valuesOf(sample: Sample, { metric, of = 'each' }: Threshold): [string, number][] {
  const { total, sandboxes } = sample;
  if (of === 'total') {
    const value = metric === 'sandboxes' ? total.sandboxes : metricOf(total, metric);
    return value === undefined ? [] : [['total', value]];
  }
  return sandboxes.flatMap((sandbox): [string, number][] => {
    if (of !== 'each' && of !== sandbox.id) return [];
    const { network, ...rest } = sandbox;
    const value = metricOf({ openConnections: network?.openConnections, ...rest }, metric);
    return value === undefined ? [] : [[sandbox.id, value]];
  });
}

interface Values {
  readonly memoryBytes?: number;
  readonly processes?: number;
  readonly openConnections?: number | undefined;
  readonly rates?: Rates;
}

function metricOf(values: Values, metric: Metric): number | undefined {
  if (metric === 'sandboxes') return undefined;
  if (metric === 'memoryBytes' || metric === 'processes' || metric === 'openConnections') {
    return values[metric];
  }
  return values.rates?.[metric];
}

function invalid(message: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'observe',
    message: `a threshold cannot be used: ${message}`,
    hint: 'for example { metric: "memoryBytes", above: 1e9 }',
  });
}
