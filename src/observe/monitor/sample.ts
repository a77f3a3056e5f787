/**
 * Usage at one moment, and how fast it grows: rates are differences of counters, over the time between two readings.
 */
import type { UsageReading, UsageReadings } from './usage-source.ts';

/** Since the sample before. */
export interface Rates {
  /** CPU seconds in each second: 1 is one core. */
  readonly cpuCores: number;
  readonly readBytesPerSecond: number;
  readonly writtenBytesPerSecond: number;
  readonly sentBytesPerSecond: number;
  readonly receivedBytesPerSecond: number;
  readonly connectionsPerSecond: number;
}

export interface SandboxSample extends UsageReading {
  /** Absent in the first sample: there is nothing to compare with. */
  readonly rates?: Rates;
}

/** All sandboxes together. What ended between two samples is in neither of them. */
export interface TotalSample {
  readonly sandboxes: number;
  readonly waiting: number;
  readonly memoryBytes: number;
  readonly processes: number;
  readonly openConnections: number;
  readonly rates?: Rates;
}

export interface Sample {
  /** Wall clock, Unix ms. */
  readonly timeMs: number;
  readonly sandboxes: readonly SandboxSample[];
  readonly total: TotalSample;
}

const none: Counters = { cpuMs: 0, read: 0, written: 0, sent: 0, received: 0, connections: 0 };

interface Counters {
  readonly cpuMs: number;
  readonly read: number;
  readonly written: number;
  readonly sent: number;
  readonly received: number;
  readonly connections: number;
}

/** Makes samples of readings that follow one another. */
export class Sampler {
  #before: { atMs: number; counters: ReadonlyMap<string, Counters> } | undefined;

  next({ atMs, sandboxes, waiting }: UsageReadings, timeMs: number): Sample {
    const before = this.#before;
    const seconds = before === undefined ? 0 : (atMs - before.atMs) / 1000;
    const counters = new Map<string, Counters>();
    let sum: Rates | undefined;
    const samples = sandboxes.map((reading): SandboxSample => {
      const now = countersOf(reading);
      counters.set(reading.id, now);
      if (before === undefined || seconds <= 0) return reading;
      // What was not there before was made since: all that it has used is of this time.
      const rates = ratesOf(before.counters.get(reading.id) ?? none, now, seconds);
      sum = sum === undefined ? rates : added(sum, rates);
      return { ...reading, rates };
    });
    this.#before = { atMs, counters };
    const idle = before === undefined || seconds <= 0 ? undefined : ratesOf(none, none, seconds);
    const rates = sum ?? idle;
    const total = {
      sandboxes: samples.length,
      waiting,
      memoryBytes: sumOf(samples, ({ memoryBytes }) => memoryBytes),
      processes: sumOf(samples, ({ processes }) => processes),
      openConnections: sumOf(samples, ({ network }) => network?.openConnections),
      ...(rates === undefined ? {} : { rates }),
    };
    return { timeMs, sandboxes: samples, total };
  }
}

function countersOf({ cpuMs, readBytes, writtenBytes, network }: UsageReading): Counters {
  return {
    cpuMs,
    read: readBytes ?? 0,
    written: writtenBytes ?? 0,
    sent: network?.sentBytes ?? 0,
    received: network?.receivedBytes ?? 0,
    connections: network?.connections ?? 0,
  };
}

/** A counter that falls was lost for a while (a proxy that died): no rate below nothing. */
function ratesOf(from: Counters, to: Counters, seconds: number): Rates {
  const rate = (before: number, now: number): number => Math.max(0, now - before) / seconds;
  return {
    cpuCores: rate(from.cpuMs, to.cpuMs) / 1000,
    readBytesPerSecond: rate(from.read, to.read),
    writtenBytesPerSecond: rate(from.written, to.written),
    sentBytesPerSecond: rate(from.sent, to.sent),
    receivedBytesPerSecond: rate(from.received, to.received),
    connectionsPerSecond: rate(from.connections, to.connections),
  };
}

function added(a: Rates, b: Rates): Rates {
  return {
    cpuCores: a.cpuCores + b.cpuCores,
    readBytesPerSecond: a.readBytesPerSecond + b.readBytesPerSecond,
    writtenBytesPerSecond: a.writtenBytesPerSecond + b.writtenBytesPerSecond,
    sentBytesPerSecond: a.sentBytesPerSecond + b.sentBytesPerSecond,
    receivedBytesPerSecond: a.receivedBytesPerSecond + b.receivedBytesPerSecond,
    connectionsPerSecond: a.connectionsPerSecond + b.connectionsPerSecond,
  };
}

function sumOf<T>(items: readonly T[], value: (item: T) => number | undefined): number {
  return items.reduce((sum, item) => sum + (value(item) ?? 0), 0);
}
