/**
 * The service, killed at random under the load of two tenants, and what its next start knows and what is left:
 *
 *     node scripts/service-kill-soak.ts [--minutes 10] [--seed N] [--clients 10] [--json]
 *
 * `caisson serve` runs as a process on one state directory. Clients make, use, fork and end sandboxes, run commands with and
 * without idempotency keys, evaluate, register, store policies, rotate keys (test/faults/service-kill/). At a random moment
 * the service is killed, or asked to stop, or asked and then killed, or killed while it starts; its launcher or its helpers
 * are killed now and then, too. After each start everything that clients were told is looked up, requests with keys are sent
 * again, the audit log is verified, and the kernel and the disk are asked for what belongs to nobody.
 * Exit code 1 on any finding.
 *
 * Root only: it runs in pid, network, IPC and mount namespaces of its own, so that all that it sees is its own.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KernelState } from '../test/faults/kernel-state.ts';
import {
  KillableService,
  makeKeys,
  type Places,
} from '../test/faults/service-kill/killable-service.ts';
import { Ledger, type Tenant } from '../test/faults/service-kill/ledger.ts';
import { leftOver, ownState } from '../test/faults/service-kill/leftovers.ts';
import { Load } from '../test/faults/service-kill/load.ts';
import { PlainClient } from '../test/faults/service-kill/plain-client.ts';
import { Survey } from '../test/faults/service-kill/survey.ts';
import { SeededRandom } from '../test/seeded-random.ts';
import { commandLine } from './command-line.ts';
import { onOwnMachine, SHARED_DIRECTORIES } from './own-machine.ts';

const MOST_LOAD_MS = 4000;
/** On a slow machine, too, there is a survey of several. */
const LEAST_STARTS = 4;
const NOTE_EVERY_MS = 10_000;
const MOST_TOLD = 40;
/** Faults of its own; a refusal is told with its cause, too. */
const NOT_TO_BE_SAID = /[Uu]nhandled|in the background|"INTERNAL"|\n {4}at /;

const USAGE =
  'Usage: node scripts/service-kill-soak.ts [--minutes 10] [--seed N] [--clients 10] [--json]\n';
const { values: options } = commandLine(USAGE, {
  minutes: { type: 'string', default: '10' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  clients: { type: 'string', default: '10' },
  json: { type: 'boolean', default: false },
});

type Way = 'SIGKILL' | 'SIGTERM' | 'SIGTERM twice' | 'SIGTERM, then SIGKILL';
const WAYS: readonly Way[] = [
  ...Array<Way>(6).fill('SIGKILL'),
  ...Array<Way>(2).fill('SIGTERM'),
  'SIGTERM twice',
  ...Array<Way>(2).fill('SIGTERM, then SIGKILL'),
];

class Soak {
  readonly ledger = new Ledger();
  readonly kills: Record<string, number> = {};
  starts = 0;
  mostStartMs = 0;
  mostWaitedMs = 0;
  #killedMs = 0;
  #mayHaveEnded = false;
  readonly #random = new SeededRandom(Number(options.seed));
  readonly #places: Places;
  readonly #tokens: Readonly<Record<Tenant, string>>;
  readonly #directories: readonly string[];
  /** Without any service, and with one that nobody asks anything. */
  #stopped: KernelState | undefined;
  #idle: KernelState | undefined;

  constructor(places: Places, tokens: Readonly<Record<Tenant, string>>) {
    this.#places = places;
    this.#tokens = tokens;
    this.#directories = [places.state, ...SHARED_DIRECTORIES];
  }

  async run(minutes: number): Promise<void> {
    // What stays of any use of it (databases, empty directories) is there before.
    await this.#cycle('SIGTERM', undefined);
    const stop = performance.now() + minutes * 60_000;
    let before: number | undefined;
    let noted = performance.now();
    while (performance.now() < stop || this.starts < LEAST_STARTS) {
      const way = this.#random.pick(WAYS);
      const known = this.ledger.wrong.length;
      before = await this.#cycle(way, before);
      for (const found of this.ledger.wrong.slice(known).slice(0, MOST_TOLD))
        process.stderr.write(`FOUND by start ${this.starts}: ${found}\n`);
      if (performance.now() - noted < NOTE_EVERY_MS) continue;
      noted = performance.now();
      const { starts, kills, ledger } = this;
      process.stderr.write(
        `start ${starts}, ${JSON.stringify(kills)}, ${requestsOf(ledger)} requests, ${ledger.wrong.length} findings\n`,
      );
    }
    await this.#cycle('SIGTERM', before);
  }

  /** @returns the start whose sandboxes the next one must know */
  async #cycle(way: Way, before: number | undefined): Promise<number | undefined> {
    const { ledger } = this;
    const random = this.#random;
    if (this.#stopped !== undefined && random.chance(0.12)) await this.#killWhileStarting();
    const began = performance.now();
    const service = await this.#start();
    this.mostStartMs = Math.max(this.mostStartMs, performance.now() - began);
    const start = this.starts;
    const client = new PlainClient(this.#places.socketPath);
    try {
      await this.#clean('idle', start);
      const { state, marks } = this.#places;
      const killedMs = this.#killedMs;
      const mayHaveEnded = this.#mayHaveEnded;
      this.#mayHaveEnded = false;
      const common = { ledger, client, random, tokens: this.#tokens, start };
      if (start > 1)
        await new Survey({ ...common, state, marks, before, mayHaveEnded, killedMs }).all();
      const load = new Load(common);
      const working = load.run(Number(options.clients));
      await sleep(random.between(50, start === 1 ? 3000 : MOST_LOAD_MS));
      if (start > 1 && random.chance(0.25)) {
        const kind = random.pick(['launcher', 'proxy'] as const);
        const victim = random.pickIfAny(service.helpers(kind));
        if (victim !== undefined) {
          load.noteKill();
          process.kill(victim, 'SIGKILL');
          this.#count(kind);
          await sleep(random.between(0, 2000));
          load.noteKill();
        }
      }
      if (service.child.exitCode !== null || service.child.signalCode !== null)
        ledger.blame(`the service ended by itself: ${service.child.exitCode} ${service.said}`);
      load.isEnding = true;
      const isGraceful = await this.#end(service, way);
      await working;
      if (NOT_TO_BE_SAID.test(service.said)) ledger.blame(`it said: ${service.said.slice(-3000)}`);
      if (isGraceful) await this.#clean('stopped', start);
      return isGraceful ? undefined : start;
    } finally {
      client.close();
      service.kill('SIGKILL');
      await service.ended;
    }
  }

  async #end(service: KillableService, way: Way): Promise<boolean> {
    const random = this.#random;
    service.kill(way === 'SIGKILL' ? 'SIGKILL' : 'SIGTERM');
    this.#killedMs = performance.now();
    this.#mayHaveEnded = way !== 'SIGKILL';
    if (way === 'SIGTERM twice' || way === 'SIGTERM, then SIGKILL') {
      await Promise.race([sleep(random.between(0, 1500)), service.ended]);
      service.kill(way === 'SIGTERM twice' ? 'SIGTERM' : 'SIGKILL');
      this.#killedMs = performance.now();
    }
    const ended = await Promise.race([service.ended, sleep(60_000, 'hung', { ref: false })]);
    this.#count(way);
    if (
      ended !== 0 &&
      (ended !== 'SIGKILL' || (way.startsWith('SIGTERM') && !way.endsWith('SIGKILL')))
    )
      this.ledger.blame(`${way}: it ended with ${ended}: ${service.said.slice(-2000)}`);
    return ended === 0;
  }

  async #start(): Promise<KillableService> {
    const service = new KillableService(this.#places);
    this.starts++;
    if (await service.isUp()) return service;
    throw new Error(`start ${this.starts} failed: ${service.said}`);
  }

  async #killWhileStarting(): Promise<void> {
    const service = new KillableService(this.#places);
    await Promise.race([sleep(this.#random.between(100, 1500)), service.isUp()]);
    service.kill('SIGKILL');
    await service.ended;
    this.#mayHaveEnded = true;
    this.#count('SIGKILL while it started');
  }

  /** The first time it is looked at; from then on there may be nothing more. */
  async #clean(kind: 'idle' | 'stopped', start: number): Promise<void> {
    if (kind === 'stopped' && this.#stopped === undefined) {
      this.#stopped = ownState(this.#directories);
      return;
    }
    if (this.#stopped === undefined) return;
    if (kind === 'idle' && this.#idle === undefined) {
      this.#idle = ownState(this.#directories);
      return;
    }
    const before = (kind === 'idle' ? this.#idle : this.#stopped) as KernelState;
    const { left, waitedMs } = await leftOver(before, this.#directories);
    this.mostWaitedMs = Math.max(this.mostWaitedMs, waitedMs);
    for (const each of left) this.ledger.blame(`left, start ${start} ${kind}: ${each}`);
  }

  #count(what: string): void {
    this.kills[what] = (this.kills[what] ?? 0) + 1;
  }
}

function requestsOf({ counts }: Ledger): number {
  return Object.entries(counts)
    .filter(([name]) => /^[A-Z]+ \/|^spawn/.test(name))
    .reduce((sum, [, count]) => sum + count, 0);
}

/** @returns the exit code */
async function soak(directory: string): Promise<number> {
  const { NAME_SERVER, startWorld } = await import('../test/e2e/network/world.ts');
  const world = await startWorld();
  // The service asks the host's name server; in here that is another one.
  const resolv = join(directory, 'resolv.conf');
  writeFileSync(resolv, `nameserver ${NAME_SERVER}\n`);
  execFileSync('mount', ['--bind', resolv, '/etc/resolv.conf']);
  const state = join(directory, 'state');
  const marks = join(directory, 'marks');
  mkdirSync(state, { mode: 0o700 });
  mkdirSync(marks);
  chmodSync(marks, 0o777);
  const socketPath = '/run/soak.sock';
  const all = new Soak({ state, marks, socketPath }, await makeKeys(state));
  const started = performance.now();
  await all.run(Number(options.minutes)).catch((error: Error) => {
    all.ledger.blame(`${error.stack}`);
  });
  const seconds = Math.round((performance.now() - started) / 1000);
  await world.close();

  const { kills, starts, ledger } = all;
  const wrong = ledger.wrong;
  const requests = requestsOf(ledger);
  const [mostStartMs, mostWaitedMs] = [all.mostStartMs, all.mostWaitedMs].map(Math.round);
  const { seed } = options;
  const report = { seed, seconds, starts, kills, requests, mostStartMs, mostWaitedMs };
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ ...report, counts: ledger.counts, wrong })}\n`);
  } else {
    for (const [name, count] of Object.entries(ledger.counts).sort())
      process.stdout.write(`  ${count} ${name}\n`);
    for (const text of wrong.slice(0, MOST_TOLD)) process.stdout.write(`FOUND ${text}\n`);
    process.stdout.write(`${JSON.stringify(report)}\n${wrong.length} findings\n`);
  }
  return wrong.length === 0 ? 0 : 1;
}

await onOwnMachine(import.meta.filename, soak);
