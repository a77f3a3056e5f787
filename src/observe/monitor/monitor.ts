/**
 * Live usage of each sandbox and of the whole. Reads only while somebody listens: a monitor that nobody asks costs nothing.
 * docs/monitor.md is its guide.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CaissonError } from '../../core/error.ts';
import type { Observer } from '../../core/ports.ts';
import { checkKind, checkOptions } from '../../policy/known-options.ts';
import { ALERTS, SAMPLES } from '../option-kinds.ts';
import { type Sample, Sampler } from './sample.ts';
import { type Alert, type Threshold, ThresholdWatch } from './threshold.ts';
import type { UsageSource } from './usage-source.ts';

export interface SamplesOptions {
  /** Between two samples; default 1000, at least 10. What was missed is left out, not made up for. */
  readonly everyMs?: number;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}

export interface AlertOptions {
  readonly thresholds: readonly Threshold[];
  /** Default 1000, at least 10. */
  readonly everyMs?: number;
  /** Told of each crossing, once. Must not throw. */
  readonly onAlert?: (alert: Alert) => void;
}

export interface MonitorSetup {
  readonly source: UsageSource;
  /** Told of alerts (event `alert`), as of all that happens. */
  readonly observer?: Observer | undefined;
  readonly onClose?: (monitor: Monitor) => void;
}

const EVERY_MS = 1000;
const LEAST_MS = 10;

export class Monitor {
  readonly #setup: MonitorSetup;
  readonly #latest = new Sampler();
  readonly #end = new AbortController();

  constructor(setup: MonitorSetup) {
    this.#setup = setup;
  }

  /** Usage now; rates since the last snapshot of this monitor. @throws SANDBOX_CLOSED, LAUNCHER_GONE */
  async snapshot(): Promise<Sample> {
    this.#needOpen();
    return this.#latest.next(await this.#setup.source(), Date.now());
  }

  /**
   * A sample at once, and then one each `everyMs`, until the loop is left, `signal` aborts or the monitor is closed.
   *
   * @throws REQUEST_INVALID, SANDBOX_CLOSED, LAUNCHER_GONE
   * @example
   * for await (const { sandboxes } of monitor.samples({ everyMs: 500 })) console.table(sandboxes);
   */
  async *samples(options: SamplesOptions = {}): AsyncGenerator<Sample, void, void> {
    checkOptions(options, 'samples', SAMPLES, 'observe');
    this.#needOpen();
    const { signal } = options;
    const ends =
      signal === undefined ? this.#end.signal : AbortSignal.any([this.#end.signal, signal]);
    for await (const { sample } of this.#read(periodOf(options), ends, true)) yield sample;
  }

  /**
   * Alerts where thresholds are crossed, until it is disposed of. It does not keep Node alive.
   *
   * @throws REQUEST_INVALID, SANDBOX_CLOSED
   */
  watch(options: AlertOptions): Disposable {
    checkOptions(options, 'watch', ALERTS, 'observe');
    // Nothing that is watched for would never alert.
    checkKind(options.thresholds, ALERTS.thresholds, 'watch: thresholds', 'observe');
    this.#needOpen();
    const watch = new ThresholdWatch(options.thresholds);
    const everyMs = periodOf(options);
    const stop = new AbortController();
    this.#follow(watch, everyMs, options.onAlert, AbortSignal.any([this.#end.signal, stop.signal]));
    return { [Symbol.dispose]: () => stop.abort() };
  }

  /** Ends every iteration and watch. Idempotent. */
  close(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#setup.onClose?.(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #follow(
    watch: ThresholdWatch,
    everyMs: number,
    onAlert: AlertOptions['onAlert'],
    ends: AbortSignal,
  ): Promise<void> {
    for await (const { sample, atMs } of this.#read(everyMs, ends, false)) {
      for (const alert of watch.check(sample, atMs)) {
        const { id, threshold, value } = alert;
        this.#setup.observer?.({ kind: 'alert', id, threshold, value });
        onAlert?.(alert);
      }
    }
  }

  /** @param matters whether somebody waits for it: keeps Node alive, and is told where it cannot be read */
  async *#read(
    everyMs: number,
    ends: AbortSignal,
    matters: boolean,
  ): AsyncGenerator<{ sample: Sample; atMs: number }, void, void> {
    const sampler = new Sampler();
    const started = performance.now();
    for (let tick = 0; !ends.aborted; ) {
      try {
        const readings = await this.#setup.source();
        if (ends.aborted) return;
        yield { sample: sampler.next(readings, Date.now()), atMs: readings.atMs };
      } catch (error) {
        // A launcher that died between two samples: the next run brings another one.
        if (matters) throw error;
      }
      tick = Math.max(tick + 1, Math.ceil((performance.now() - started) / everyMs));
      const restMs = started + tick * everyMs - performance.now();
      try {
        await sleep(Math.max(0, restMs), undefined, { signal: ends, ref: matters });
      } catch {
        return;
      }
    }
  }

  #needOpen(): void {
    if (!this.#end.signal.aborted) return;
    throw new CaissonError('SANDBOX_CLOSED', {
      layer: 'observe',
      message: 'this monitor is closed',
      hint: 'open another one',
    });
  }
}

function periodOf({ everyMs = EVERY_MS }: { readonly everyMs?: number }): number {
  if (Number.isFinite(everyMs) && everyMs >= LEAST_MS && everyMs < 2 ** 31) return everyMs;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'observe',
    message: `samples every ${everyMs} ms cannot be taken`,
    hint: `give ${LEAST_MS} or more`,
  });
}
