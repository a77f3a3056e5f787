/**
 * Kill -9 at random under load, and what is left: `node scripts/kill-soak.ts [--minutes 10] [--sandboxes 30] [--json]`
 *
 * A manager (`test/faults/loaded-manager.ts`) keeps tens of sandboxes busy. Every moment one of its launcher, the launcher's
 * helpers (mother, nurseries), a sandbox's init, its proxy process or itself is killed, found by parentage; a dead manager
 * is followed by another one. At the end everything is killed at once, one manager is started and closed, and the kernel
 * is asked for what was not there before (`test/faults/kernel-state.ts`). Exit code 1 when anything is left, when a
 * start could not clean up, or when work failed that no kill explains.
 *
 * Root only: it runs in pid, network, IPC and mount namespaces of its own, so that all that it sees is its own.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readPublicKey, verifyLog } from '../src/index.ts';
import {
  childrenOf,
  difference,
  type KernelState,
  link,
  look,
  machineCounts,
} from '../test/faults/kernel-state.ts';
import type { FromManager } from '../test/faults/loaded-manager.ts';
import { commandLine } from './command-line.ts';
import { onOwnMachine, SHARED_DIRECTORIES } from './own-machine.ts';

/** The two most: longest pause before the next kill, and how long what was killed may take to be gone. */
const PAUSE_MS = 2500;
const PATIENCE_MS = 20_000;
/** What fails so soon after a kill may have failed by it. */
const EXPLAINS_MS = 5000;

const USAGE = 'Usage: node scripts/kill-soak.ts [--minutes 10] [--sandboxes 30] [--json]\n';
const { values: options } = commandLine(USAGE, {
  minutes: { type: 'string', default: '10' },
  sandboxes: { type: 'string', default: '30' },
  json: { type: 'boolean', default: false },
});

/** @returns the exit code */
async function soak(directory: string): Promise<number> {
  const { NAME_SERVER, startWorld } = await import('../test/e2e/network/world.ts');
  const world = await startWorld();
  const roots = join(directory, 'roots.pem');
  writeFileSync(roots, world.roots);
  mkdirSync(join(directory, 'workspace'));
  const managers = new Managers(directory, NAME_SERVER, roots);
  // What stays of any use of Caisson (the store, the log, empty directories) is there before.
  await managers.visit(2);
  const directories = [directory, ...SHARED_DIRECTORIES];
  const before = look({ directories });
  const machineBefore = machineCounts();

  const started = performance.now();
  const killed = await managers.killFor(Number(options.minutes) * 60_000);
  const seconds = Math.round((performance.now() - started) / 1000);
  await managers.killAll();
  await managers.visit(0);
  const { waitedMs, after } = await settled(before, directories);
  const left = difference(before, after);
  const key = readPublicKey(join(directory, 'audit.key'));
  const audit = await verifyLog({ path: join(directory, 'audit'), key });
  await world.close();

  const { starts, recovered, unclean, wrong, counts } = managers;
  const isClean = left.length === 0 && unclean.length === 0 && wrong.length === 0 && audit.ok;
  const findings = audit.ok ? [] : audit.findings;
  const report = { seconds, killed, starts, recovered, counts, unclean, wrong, left, findings };
  if (options.json) process.stdout.write(`${JSON.stringify({ ...report, isClean })}\n`);
  else {
    const print = (text: string): boolean => process.stdout.write(`${text}\n`);
    print(`${seconds} s; killed: ${show(killed)}`);
    print(`${starts} starts of a manager recovered ${recovered} sandboxes`);
    for (const [name, count] of Object.entries(counts).sort()) print(`  ${count} ${name}`);
    for (const text of unclean) print(`a start could not remove: ${text}`);
    for (const text of wrong) print(`not explained by a kill: ${text}`);
    print(`audit log: ${audit.records} records, ${audit.ok ? 'verified' : 'NOT in order'}`);
    for (const finding of findings) print(`  ${JSON.stringify(finding)}`);
    for (const kind of Object.keys(after)) {
      const [was, is] = [before[kind]?.length, after[kind]?.length];
      print(`${kind}: ${was} before, ${is} after`);
    }
    for (const { kind, left: more, lost } of left) {
      for (const name of more) print(`LEFT ${kind}: ${name}`);
      for (const name of lost) print(`LOST ${kind}: ${name}`);
    }
    print(`the whole machine, others included: ${show(machineBefore)}`);
    print(`  then: ${show(machineCounts())}`);
    print(isClean ? `nothing is left, ${Math.round(waitedMs)} ms after that start` : 'NOT clean');
  }
  return isClean ? 0 : 1;
}

/** The kernel takes a moment to let go of what has ended. */
async function settled(
  before: KernelState,
  directories: readonly string[],
): Promise<{ after: KernelState; waitedMs: number }> {
  const start = performance.now();
  while (true) {
    const after = look({ directories });
    const waitedMs = performance.now() - start;
    if (difference(before, after).length === 0 || waitedMs > PATIENCE_MS)
      return { after, waitedMs };
    await sleep(100);
  }
}

type Victim = 'launcher' | 'helper' | 'inside' | 'proxy' | 'manager';

/**
 * How often which, of all. `helper`: the launcher's mother and nurseries; `inside`: init of a sandbox or a process of its
 * guest. Where there is none of a kind at the moment, nobody is killed.
 */
const TURNS: readonly Victim[] = [
  ...Array<Victim>(4).fill('launcher'),
  ...Array<Victim>(4).fill('helper'),
  ...Array<Victim>(3).fill('inside'),
  ...Array<Victim>(5).fill('proxy'),
  ...Array<Victim>(3).fill('manager'),
];

/** One manager after the other, on one state directory. */
class Managers {
  starts = 0;
  recovered = 0;
  /** What a start could not remove. */
  readonly unclean: string[] = [];
  /** Failures that no kill explains. */
  readonly wrong: string[] = [];
  readonly counts: Record<string, number> = {};
  readonly #arguments: (atOnce: number) => string[];
  readonly #roots: string;
  #child: ChildProcess | undefined;
  /** When last anything was. */
  #killed = Number.NEGATIVE_INFINITY;

  constructor(directory: string, nameServer: string, roots: string) {
    this.#arguments = (atOnce) => [directory, String(atOnce), nameServer];
    this.#roots = roots;
  }

  /** Starts one and lets it end by itself. */
  async visit(atOnce: number): Promise<void> {
    const child = await this.#start(atOnce);
    if (atOnce > 0) await sleep(3000);
    const ended = once(child, 'exit');
    child.send('stop');
    const [code, signal] = await ended;
    this.#child = undefined;
    if (code !== 0) this.wrong.push(`a manager that nobody killed ended with ${code ?? signal}`);
  }

  /** @returns how often what was killed */
  async killFor(ms: number): Promise<Record<Victim, number>> {
    const killed = { launcher: 0, helper: 0, inside: 0, proxy: 0, manager: 0 };
    let turns: Victim[] = [];
    const stop = performance.now() + ms;
    while (performance.now() < stop) {
      const child = this.#child ?? (await this.#start(Number(options.sandboxes)));
      await sleep(100 + Math.random() * PAUSE_MS);
      if (child.exitCode !== null || child.signalCode !== null) {
        this.wrong.push(`the manager ended by itself: ${child.exitCode ?? child.signalCode}`);
        this.#child = undefined;
        continue;
      }
      if (turns.length === 0) turns = shuffled(TURNS);
      const kind = turns.pop() as Victim;
      const victim = pick(victimsOf(child.pid as number, kind));
      if (victim === undefined || !kill(victim)) continue;
      killed[kind]++;
      this.#killed = performance.now();
      if (kind !== 'manager') continue;
      await ended(child);
      this.#child = undefined;
      // Sometimes its successor finds the launcher still at its end.
      if (Math.random() < 0.5) await sleep(Math.random() * 1000);
    }
    return killed;
  }

  /** Everything of one at once, in any order. */
  async killAll(): Promise<void> {
    const child = this.#child ?? (await this.#start(Number(options.sandboxes)));
    await sleep(1000);
    const kinds: readonly Victim[] = ['launcher', 'proxy', 'manager'];
    const victims = kinds.flatMap((kind) => victimsOf(child.pid as number, kind));
    for (const victim of shuffled(victims)) kill(victim);
    await ended(child);
    this.#child = undefined;
  }

  async #start(atOnce: number): Promise<ChildProcess> {
    const program = join(import.meta.dirname, '../test/faults/loaded-manager.ts');
    const child = fork(program, this.#arguments(atOnce), {
      env: { ...process.env, SSL_CERT_FILE: this.#roots },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    this.starts++;
    const ready = Promise.withResolvers<void>();
    child.on('message', (message: FromManager) => {
      if (message.type === 'ready') {
        this.recovered += message.recovered;
        this.unclean.push(...message.left);
        ready.resolve();
        return;
      }
      const isSoon = performance.now() - this.#killed < EXPLAINS_MS;
      const wrong = message.wrong.filter(({ isExplained }) => !(isExplained && isSoon));
      this.wrong.push(...wrong.map(({ what }) => what));
      for (const [name, count] of Object.entries(message.counts))
        this.counts[name] = (this.counts[name] ?? 0) + count;
    });
    child.once('exit', (code) => ready.reject(new Error(`a manager did not start: ${code}`)));
    await ready.promise;
    return child;
  }
}

/** Ours are told apart by what they are to each other: nothing goes by a name. */
function victimsOf(manager: number, kind: Victim): number[] {
  if (kind === 'manager') return [manager];
  const isNode = (pid: number): boolean => link(`/proc/${pid}/exe`) === process.execPath;
  const children = childrenOf(manager);
  if (kind === 'proxy') return children.filter(isNode);
  const launchers = children.filter((pid) => !isNode(pid));
  if (kind === 'launcher') return launchers;
  const world = link('/proc/self/ns/pid');
  const isOutside = (pid: number): boolean => link(`/proc/${pid}/ns/pid`) === world;
  const below = launchers.flatMap(descendantsOf);
  return below.filter((pid) => isOutside(pid) === (kind === 'helper'));
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

function shuffled<T>(all: readonly T[]): T[] {
  const keyed = all.map((each) => ({ each, key: Math.random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ each }) => each);
}

function pick<T>(all: readonly T[]): T | undefined {
  return all[Math.floor(Math.random() * all.length)];
}

function show(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

await onOwnMachine(import.meta.filename, soak);
