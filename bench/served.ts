/** A service in a process of its own, and how much of one request it answers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LeanClient } from './lean-client.ts';
import { round } from './report.ts';

const PROGRAM = join(import.meta.dirname, 'programs/service-process.ts');

export interface Load {
  readonly perSecond: number;
  readonly serviceCores: number;
  readonly clientCores: number;
}

/** So many connections, each with one request after the other; all must be answered with 200. */
export async function load(
  { address, pid }: Served,
  inFlight: number,
  seconds: number,
  request: () => string,
): Promise<Load> {
  const clients = await Promise.all(
    Array.from({ length: inFlight }, () => LeanClient.open(address)),
  );
  let done = 0;
  const before = [processorMs(pid), processorMs(process.pid)] as const;
  const from = performance.now();
  const until = from + seconds * 1000;
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < until) {
        const { status, body } = await client.ask(request());
        if (status !== 200) throw new Error(`${status}: ${body}`);
        done++;
      }
    }),
  );
  const ms = performance.now() - from;
  for (const client of clients) client.close();
  return {
    perSecond: done / (ms / 1000),
    serviceCores: (processorMs(pid) - before[0]) / ms,
    clientCores: (processorMs(process.pid) - before[1]) / ms,
  };
}

/** proc(5), stat: utime and stime, in clock ticks of 10 ms. */
function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

export function show({ perSecond, serviceCores, clientCores }: Load): string {
  return `${round(perSecond)} a second, service ${round(serviceCores)} cores, client ${round(clientCores)}`;
}

export class Served implements AsyncDisposable {
  readonly address: string;
  readonly key: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, { address, key }: { address: string; key: string }) {
    this.#child = child;
    this.address = address;
    this.key = key;
  }

  static async start(state: string, config: object = {}): Promise<Served> {
    const argv = [PROGRAM, join(state, 'state'), 'true', JSON.stringify(config)];
    const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    const [said] = await once(child.stdout as NodeJS.EventEmitter, 'data');
    return new Served(child, JSON.parse(String(said)));
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await gone;
  }
}
