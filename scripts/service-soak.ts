/**
 * Sandboxes through the service, many, and what there is more of afterwards:
 *
 *     node scripts/service-soak.ts [--sandboxes 200000] [--at-once 16] [--kept 500] [--minutes N] [--json]
 *
 * Most are runs; every fourth is made, given a private workspace, used and ended; every tenth request carries an
 * idempotency key. Two clients in a hundred go away before they are answered. Looked at before and after, both at rest:
 * memory, descriptors, processes, mounts, control groups, workspaces, rows of every database, files in the directory for
 * temporary ones. The audit log is kept whole and grows.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { LeanClient, requestBytes } from '../bench/lean-client.ts';
import { type Held, held } from '../bench/process-tree.ts';
import { commandLine } from './command-line.ts';

const PROGRAM = join(import.meta.dirname, '../bench/programs/service-process.ts');
const REST_MS = 4000;
/** Heaps and pools grow to their working size, and the tables to what is kept; it takes V8 some ten thousand sandboxes. */
const MOST_SETTLING = 12_000;
const NOTE_EVERY_MS = 15_000;

export interface SoakOptions {
  readonly sandboxes: number;
  readonly atOnce: number;
  /** Ended sandboxes that are still known. */
  readonly kept: number;
  /** Stops then, whatever is left. */
  readonly minutes?: number;
  readonly note: (line: string) => void;
}

export type Counts = Held & {
  readonly serviceBytes: number;
  readonly workspaces: number;
  readonly temporary: number;
  readonly rows: Readonly<Record<string, number>>;
};

export interface SoakReport {
  readonly sandboxes: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** By status; `gone`: its client was. */
  readonly answers: Readonly<Record<string, number>>;
  readonly before: Counts;
  readonly after: Counts;
  readonly mostServiceBytes: number;
  readonly auditBytes: number;
}

export async function soakService({
  sandboxes,
  atOnce,
  kept,
  minutes = Number.POSITIVE_INFINITY,
  note,
}: SoakOptions): Promise<SoakReport> {
  const build = join(import.meta.dirname, '../build');
  mkdirSync(build, { recursive: true });
  const directory = mkdtempSync(join(build, 'service-soak-'));
  const state = join(directory, 'state');
  const temporary = join(directory, 'tmp');
  mkdirSync(temporary);
  // What is remembered for a day would be no growth, and look like one.
  const retention = { endedSandboxes: kept, idempotencyMs: '1s' };
  const child = spawn(process.execPath, [PROGRAM, state, 'true', JSON.stringify({ retention })], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: temporary },
  });
  const pid = child.pid as number;
  const ended = once(child, 'exit');
  try {
    const [said] = await once(child.stdout as NodeJS.EventEmitter, 'data');
    const soak = new Soak(JSON.parse(String(said)));
    const look = (): Counts => ({
      ...held(pid),
      serviceBytes: residentBytes(pid),
      workspaces: readdirSync(join(state, 'workspaces')).length,
      temporary: readdirSync(temporary).length,
      rows: rowsIn(state),
    });
    await soak.send(Math.min(MOST_SETTLING, sandboxes) + 2 * kept, 2 * atOnce);
    await sleep(REST_MS);
    const before = look();
    let mostServiceBytes = 0;
    let noted = performance.now();
    const from = performance.now();
    const watch = setInterval(() => {
      const bytes = residentBytes(pid);
      mostServiceBytes = Math.max(mostServiceBytes, bytes);
      if (performance.now() - noted < NOTE_EVERY_MS) return;
      noted = performance.now();
      note(`${soak.done} sandboxes, service ${Math.round(bytes / 2 ** 20)} MiB`);
    }, 500);
    soak.done = 0;
    await soak.send(sandboxes, atOnce, from + minutes * 60_000);
    clearInterval(watch);
    const seconds = (performance.now() - from) / 1000;
    await sleep(REST_MS);
    return {
      sandboxes: soak.done,
      seconds: Math.round(seconds),
      perSecond: Math.round(soak.done / seconds),
      answers: soak.answers,
      before,
      after: look(),
      mostServiceBytes,
      auditBytes: bytesBelow(join(state, 'audit')),
    };
  } finally {
    child.stdin?.end();
    await ended;
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Of which kinds there is more afterwards, beyond what breathes. */
export function growthOf({ before, after, sandboxes }: SoakReport): string[] {
  const most: Partial<Record<keyof Counts, number>> = {
    descriptors: 8,
    processes: 4,
    mounts: 8,
    cgroupDirectories: 8,
    workspaces: 0,
    temporary: 2,
    // A leak of a hundred bytes a sandbox is seen from some hundred thousand on.
    serviceBytes: 48 * 2 ** 20,
  };
  const grown = Object.entries(most).flatMap(([kind, room]) => {
    const more = (after[kind as keyof Counts] as number) - (before[kind as keyof Counts] as number);
    return more > room ? [`${kind}: ${more} more after ${sandboxes} sandboxes`] : [];
  });
  const tables = Object.entries(after.rows).flatMap(([table, rows]) => {
    const more = rows - (before.rows[table] ?? 0);
    // Ended ones are pruned many at a time.
    return more > 300 ? [`rows of ${table}: ${more} more`] : [];
  });
  return [...grown, ...tables];
}

class Soak {
  done = 0;
  readonly answers: Record<string, number> = {};
  readonly #address: string;
  readonly #key: string;
  #number = 0;

  constructor({ address, key }: { address: string; key: string }) {
    this.#address = address;
    this.#key = key;
  }

  async send(count: number, atOnce: number, stopMs = Number.POSITIVE_INFINITY): Promise<void> {
    const until = this.#number + count;
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        let client = await LeanClient.open(this.#address);
        while (this.#number < until && performance.now() < stopMs) {
          const number = this.#number++;
          if (number % 50 === 7) client = await this.#leave(client, number);
          else if (number % 4 === 0) await this.#keep(client);
          else await this.#run(client, number);
          this.done++;
        }
        client.close();
      }),
    );
  }

  async #run(client: LeanClient, number: number): Promise<void> {
    const plain = requestBytes('POST', '/api/runs', this.#key, {
      argv: ['true'],
      policy: 'strict',
    });
    const request =
      number % 10 === 1
        ? plain.replace('\r\n', `\r\nidempotency-key: ${process.pid}-${number}\r\n`)
        : plain;
    this.#count((await client.ask(request)).status);
  }

  async #keep(client: LeanClient): Promise<void> {
    const { status, body } = await client.ask(
      requestBytes('POST', '/api/sandboxes', this.#key, { policy: POLICY, workspace: 'private' }),
    );
    this.#count(status);
    if (status !== 201) return;
    const { id } = JSON.parse(body) as { id: string };
    const path = `/api/sandboxes/${id}`;
    const exec = requestBytes('POST', `${path}/exec`, this.#key, {
      argv: ['sh', '-c', 'echo a > a'],
    });
    this.#count((await client.ask(exec)).status);
    this.#count((await client.ask(requestBytes('DELETE', path, this.#key))).status);
  }

  async #leave(client: LeanClient, number: number): Promise<LeanClient> {
    const request = requestBytes('POST', '/api/runs', this.#key, {
      argv: ['sleep', '10'],
      policy: POLICY,
      workspace: 'private',
    });
    const gone = client.ask(request).then(
      ({ status }) => this.#count(status),
      () => this.#count('gone'),
    );
    await sleep(number % 40);
    client.close();
    await gone;
    return await LeanClient.open(this.#address);
  }

  #count(status: number | string): void {
    this.answers[status] = (this.answers[status] ?? 0) + 1;
  }
}

const POLICY = {
  version: 1,
  level: 'moderate',
  filesystem: { workspace: 'direct', write: ['.'] },
  limits: { memory: '128MiB' },
};

/** Of that process alone. */
function residentBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0; // it has ended
  }
}

function rowsIn(state: string): Record<string, number> {
  const rows: Record<string, number> = {};
  for (const name of readdirSync(state, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.db')) continue;
    const database = new DatabaseSync(join(state, name), { readOnly: true });
    try {
      const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
      for (const { name: table } of tables) {
        const [count] = database.prepare(`SELECT count(*) AS count FROM "${table}"`).all();
        rows[`${name} ${table}`] = Number(count?.count);
      }
    } finally {
      database.close();
    }
  }
  return rows;
}

function bytesBelow(directory: string): number {
  if (!existsSync(directory)) return 0;
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(directory, name)))
    .reduce((sum, { size }) => sum + size, 0);
}

if (import.meta.main) {
  const usage =
    'Usage: node scripts/service-soak.ts [--sandboxes 200000] [--at-once 16] [--kept 500] [--minutes N] [--json]\n';
  const { values } = commandLine(usage, {
    sandboxes: { type: 'string', default: '200000' },
    'at-once': { type: 'string', default: '16' },
    kept: { type: 'string', default: '500' },
    minutes: { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  const report = await soakService({
    sandboxes: Number(values.sandboxes),
    atOnce: Number(values['at-once']),
    kept: Number(values.kept),
    ...(values.minutes === undefined ? {} : { minutes: Number(values.minutes) }),
    note: (line) => process.stderr.write(`${line}\n`),
  });
  const grown = growthOf(report);
  process.stdout.write(`${JSON.stringify({ ...report, grown }, null, values.json ? 0 : 2)}\n`);
  process.exitCode = grown.length === 0 ? 0 : 1;
}
