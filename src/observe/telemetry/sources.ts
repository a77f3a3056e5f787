/** What is read when metrics are collected, rather than told: how much there is now. */

import { readdirSync } from 'node:fs';
import type { BatchObservableResult, Meter, Observable } from '@opentelemetry/api';
import { leftOverCgroups } from '../../host/left-over-cgroups.ts';

/** Figures of others, by ports: whoever has them says where they are read. A source that throws is left out. */
export interface Sources {
  /** Of a manager: `() => manager.load()`. */
  readonly pool?: () => PoolFigures;
  /** Of an audit log: `() => audit.status`. */
  readonly audit?: () => AuditFigures;
  /** Of a monitor: `async () => (await monitor.snapshot()).total`. Asks the launcher at each collection. */
  readonly usage?: () => Promise<UsageFigures>;
}

export interface PoolFigures {
  readonly running: number;
  readonly waiting: number;
  readonly used: Readonly<Record<string, number>>;
  /** Infinity where it is not bounded. */
  readonly capacity: Readonly<Record<string, number>>;
}

export interface AuditFigures {
  readonly state: string;
  readonly waiting: number;
  readonly lost: number;
}

export interface UsageFigures {
  readonly sandboxes: number;
  readonly waiting: number;
  readonly memoryBytes: number;
  readonly processes: number;
  /** Since the reading before; absent in the first. */
  readonly rates?: { readonly cpuCores: number };
}

/** Less than a scrape of Prometheus may take, which is 10 s. */
const USAGE_MS = 2000;

export function observeSources(
  meter: Meter,
  sources: ReadonlySet<Sources>,
  counts: () => { readonly running: number; readonly hosts: number },
): void {
  const gauge = (name: string, unit: string, description: string): Observable =>
    meter.createObservableGauge(name, { unit, description });
  const active = gauge(
    'caisson.runs.active',
    '{run}',
    'Runs and evaluations that have begun and not ended',
  );
  const hosts = gauge('caisson.hosts', '{host}', 'Host processes of programs that run');
  const leftOver = gauge(
    'caisson.left_over.groups',
    '{cgroup}',
    'Control groups of launchers that are gone: something of a sandbox is left on this machine',
  );
  const pool = {
    running: gauge('caisson.pool.running', '{sandbox}', 'Sandboxes that have room in the pool'),
    waiting: gauge('caisson.pool.waiting', '{sandbox}', 'Sandboxes that wait for room'),
    memory: gauge('caisson.pool.memory', 'By', 'Memory that the running ones may use'),
    memoryLimit: gauge('caisson.pool.memory.limit', 'By', 'Memory of the pool'),
    limit: gauge('caisson.pool.limit', '{sandbox}', 'Sandboxes that may run at once'),
  };
  const audit = {
    waiting: gauge('caisson.audit.waiting', '{record}', 'Records that are not on the disk yet'),
    lost: gauge(
      'caisson.audit.lost',
      '{record}',
      'Events not taken since the log was last written',
    ),
    writable: gauge(
      'caisson.audit.writable',
      '',
      '1: the audit log can be written; 0: nothing runs',
    ),
  };
  const usage = {
    sandboxes: gauge('caisson.usage.sandboxes', '{sandbox}', 'Sandboxes that exist'),
    ready: gauge('caisson.usage.ready', '{sandbox}', 'Sandboxes that wait for a job'),
    memory: gauge('caisson.usage.memory', 'By', 'Memory of all sandboxes, as the kernel counts it'),
    cpu: gauge(
      'caisson.usage.cpu',
      '{cpu}',
      'Processor cores that all sandboxes use, since usage was read before',
    ),
    processes: gauge('caisson.usage.processes', '{process}', 'Processes of guests, with threads'),
  };
  const own = {
    cpu: meter.createObservableCounter('process.cpu.time', {
      unit: 's',
      description: 'Processor time of this process',
    }),
    memory: gauge('process.memory.usage', 'By', 'Resident memory of this process'),
    descriptors: gauge('process.open_file_descriptor.count', '{descriptor}', 'Open descriptors'),
  };
  meter.addBatchObservableCallback(
    async (result) => {
      const { running, hosts: standing } = counts();
      result.observe(active, running);
      result.observe(hosts, standing);
      observeOwn(result, own);
      const groups = attempt(() => leftOverCgroups().length);
      if (groups !== undefined) result.observe(leftOver, groups);
      await observeGiven(result, [...sources], pool, audit, usage);
    },
    [
      active,
      hosts,
      leftOver,
      ...[pool, audit, usage, own].flatMap((group) => Object.values(group)),
    ],
  );
}

function observeOwn(
  result: BatchObservableResult,
  own: { cpu: Observable; memory: Observable; descriptors: Observable },
): void {
  const { user, system } = process.cpuUsage();
  result.observe(own.cpu, user / 1e6, { 'cpu.mode': 'user' });
  result.observe(own.cpu, system / 1e6, { 'cpu.mode': 'system' });
  result.observe(own.memory, process.memoryUsage.rss());
  const open = attempt(() => readdirSync('/proc/self/fd').length);
  if (open !== undefined) result.observe(own.descriptors, open);
}

/** Several of a kind are summed up: a service has one pool, a test may have many. */
async function observeGiven(
  result: BatchObservableResult,
  sources: readonly Sources[],
  pool: Readonly<Record<'running' | 'waiting' | 'memory' | 'memoryLimit' | 'limit', Observable>>,
  audit: Readonly<Record<'waiting' | 'lost' | 'writable', Observable>>,
  usage: Readonly<Record<'sandboxes' | 'ready' | 'memory' | 'cpu' | 'processes', Observable>>,
): Promise<void> {
  const loads = read(sources, (source) => source.pool?.());
  if (loads.length > 0) {
    result.observe(
      pool.running,
      sum(loads, ({ running }) => running),
    );
    result.observe(
      pool.waiting,
      sum(loads, ({ waiting }) => waiting),
    );
    result.observe(
      pool.memory,
      sum(loads, ({ used }) => used.memoryBytes ?? 0),
    );
    const memoryLimit = sum(loads, ({ capacity }) => capacity.memoryBytes ?? Infinity);
    if (Number.isFinite(memoryLimit)) result.observe(pool.memoryLimit, memoryLimit);
    const limit = sum(loads, ({ capacity }) => capacity.concurrency ?? Infinity);
    if (Number.isFinite(limit)) result.observe(pool.limit, limit);
  }
  const logs = read(sources, (source) => source.audit?.());
  if (logs.length > 0) {
    result.observe(
      audit.waiting,
      sum(logs, ({ waiting }) => waiting),
    );
    result.observe(
      audit.lost,
      sum(logs, ({ lost }) => lost),
    );
    const isWritable = logs.every(({ state }) => state !== 'stalled' && state !== 'failed');
    result.observe(audit.writable, isWritable ? 1 : 0);
  }
  const asked = await Promise.all(sources.map((source) => usageOf(source)));
  const used = asked.filter((figures) => figures !== undefined);
  if (used.length === 0) return;
  result.observe(
    usage.sandboxes,
    sum(used, ({ sandboxes }) => sandboxes),
  );
  result.observe(
    usage.ready,
    sum(used, ({ waiting }) => waiting),
  );
  result.observe(
    usage.memory,
    sum(used, ({ memoryBytes }) => memoryBytes),
  );
  result.observe(
    usage.processes,
    sum(used, ({ processes }) => processes),
  );
  const rates = used.flatMap((figures) => figures.rates ?? []);
  if (rates.length === 0) return;
  result.observe(
    usage.cpu,
    sum(rates, ({ cpuCores }) => cpuCores),
  );
}

/** A source that hangs costs its own figures alone. */
async function usageOf({ usage }: Sources): Promise<UsageFigures | undefined> {
  if (usage === undefined) return undefined;
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), USAGE_MS);
  try {
    return await Promise.race([usage(), late.promise]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

function read<T>(sources: readonly Sources[], of: (source: Sources) => T | undefined): T[] {
  return sources.flatMap((source) => {
    const figures = attempt(() => of(source));
    return figures === undefined ? [] : [figures];
  });
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
