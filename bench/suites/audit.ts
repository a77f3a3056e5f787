/** The audit log: records written, with the chain and group commit, and verified. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ObservedEvent } from '../../src/core/ports.ts';
import { AuditLog } from '../../src/observe/audit/audit-log.ts';
import { logFilesOf } from '../../src/observe/audit/log-files.ts';
import { readPublicKey } from '../../src/observe/audit/signing-key.ts';
import { verifyLogInParallel } from '../../src/observe/audit/verify-in-parallel.ts';
import { verifyLog } from '../../src/observe/audit/verify-log.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

export const audit: Suite = { name: 'audit', run };

/** Given at a time, while as many before them are being written. */
const AT_ONCE = 8192;

async function run(bench: Bench): Promise<SuiteResult> {
  const count = bench.quick ? 100_000 : 1_000_000;
  const rounds = bench.quick ? 2 : 5;
  const written: number[] = [];
  const inOrder: number[] = [];
  const parallel: number[] = [];
  let bytes = 0;
  for (let turn = 0; turn < rounds; turn++) {
    bench.note(`audit: ${count} records, ${turn + 1} of ${rounds}`);
    const root = mkdtempSync(join(bench.directory, 'audit-'));
    try {
      const directory = join(root, 'log');
      const log = await AuditLog.open({ directory });
      written.push(await rate(count, () => write(log, count)));
      await log.close();
      const options = { path: directory, key: readPublicKey(`${directory}.key.pub`) };
      const { records } = verifyLog(options);
      inOrder.push(await rate(records, () => good(verifyLog(options))));
      parallel.push(await rate(records, async () => good(await verifyLogInParallel(options))));
      bytes = lengthOf(directory);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  }
  const rows = [
    ['written and acknowledged (fdatasync)', written],
    ['verified, one thread', inOrder],
    ['verified, all cores', parallel],
  ] as const;
  const median = (samples: readonly number[]): number => summarize(samples).median;
  return {
    title: 'Audit log',
    method: `${count} records of ${round(bytes / count)} bytes in the mean (starts, connections, ends), each with its promise, ${AT_ONCE} given while ${AT_ONCE} are being written; checkpoints every 1024 records; ${rounds} rounds, the log read back from the page cache.`,
    table: {
      columns: ['', 'records a second, median', 'middle half'],
      rows: rows.map(([label, samples]) => {
        const { lowerQuartile, upperQuartile } = summarize(samples);
        return [
          label,
          thousands(median(samples)),
          `${thousands(lowerQuartile)}–${thousands(upperQuartile)}`,
        ];
      }),
    },
    targets: [
      {
        name: 'audit: records a second, chained, acknowledged',
        measured: median(written) / 1000,
        sense: '≥',
        limit: 100,
        unit: 'thousand',
      },
      {
        name: 'audit: records a second, verified',
        measured: median(parallel) / 1000,
        sense: '≥',
        limit: 500,
        unit: 'thousand',
      },
    ],
  };
}

async function write(log: AuditLog, count: number): Promise<void> {
  let before: Promise<unknown> = Promise.resolve();
  for (let n = 0; n < count; n += AT_ONCE) {
    const some = Math.min(AT_ONCE, count - n);
    const given = Promise.all(Array.from({ length: some }, (_, i) => log.append(event(n + i))));
    await before;
    before = given;
  }
  await before;
}

function event(n: number): ObservedEvent {
  const id = `run_${n.toString(16).padStart(32, '0')}`;
  if (n % 3 === 0) return { kind: 'started', id, tenant: 'acme', argv: ['make', '-j4', 'test'] };
  if (n % 3 === 1) return { kind: 'destroyed', id, leftBehind: 0 };
  const target = 'registry.npmjs.org:443/tcp';
  const details = { bytes: n, address: '192.0.2.7' };
  return { kind: 'network', id, target, allowed: true, rule: 'network.allow', details };
}

function good({ ok }: { readonly ok: boolean }): void {
  if (!ok) throw new Error('the log does not verify');
}

/** A second, of so many things done. */
async function rate(count: number, act: () => unknown): Promise<number> {
  const started = performance.now();
  await act();
  return (count / (performance.now() - started)) * 1000;
}

function lengthOf(directory: string): number {
  return logFilesOf(directory).reduce((sum, { path }) => sum + statSync(path).size, 0);
}

function thousands(rate: number): string {
  return `${Math.round(rate / 1000)} 000`;
}
