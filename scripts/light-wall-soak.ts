/**
 * Attacks at random against one pool, among programs whose answers are known:
 * `node scripts/light-wall-soak.ts [--minutes 10] [--attackers 3] [--innocents 3] [--seed 1] [--json]`
 *
 * Attacks are those of `test/escape/light-walls/`, programs from a grammar, and attacks with pieces changed; the seed decides
 * which. Looked for: an exception that nobody caught, an evaluation that throws or ends in no way that is its own, a wrong
 * answer to an innocent, time or memory beyond a limit as this process and the kernel see it, and what is left at the end.
 * Exit code 1 when there is any of it.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { hostProgram } from '../src/backends/host-program.ts';
import { Caisson } from '../src/index.ts';
import { HOST_SLACK_BYTES } from '../src/plan/host-policy.ts';
import { hostsOf } from '../test/backends/hosts-memory.ts';
import { type Attack, limits } from '../test/escape/light-walls/attack.ts';
import { innocents } from '../test/escape/light-walls/innocents.ts';
import { isolateAttacks } from '../test/escape/light-walls/isolate-attacks.ts';
import { mutated, randomProgram } from '../test/escape/light-walls/random-programs.ts';
import { smallModule, wasmAttacks } from '../test/escape/light-walls/wasm-attacks.ts';
import { NothingLeft } from '../test/nothing-left.ts';
import { randomNumbers } from '../test/wasm/random-module.ts';
import { commandLine } from './command-line.ts';

const MiB = 2 ** 20;
/** From a clock's end to the end of the host: the library's grace, and what a busy machine takes to kill and tell. */
const GRACE_MS = 100;
const TOLERATED_MS = 900;
/** Longer no evaluation may take, however many wait before it. */
const HUNG_MS = 120_000;
const LEAK_BYTES = 32 * MiB;

const USAGE =
  'Usage: node scripts/light-wall-soak.ts [--minutes 10] [--attackers 3] [--innocents 3] [--seed N] [--json]\n';
const { values: options } = commandLine(USAGE, {
  minutes: { type: 'string', default: '10' },
  attackers: { type: 'string', default: '3' },
  innocents: { type: 'string', default: '3' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  json: { type: 'boolean', default: false },
});

// What others mount meanwhile is not looked at.
const INSIDE = 'CAISSON_LIGHT_WALL_SOAK';
if (process.geteuid?.() === 0 && process.env[INSIDE] === undefined) {
  const own = [process.execPath, import.meta.filename, ...process.argv.slice(2)];
  const { status } = spawnSync('unshare', ['--mount', '--propagation', 'private', ...own], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  process.exit(status ?? 1);
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const random = randomNumbers(Number(options.seed));
const wrong: string[] = [];
const counts: Record<string, number> = {};
const slowest: { ms: number; name: string } = { ms: 0, name: '' };
const peak = { isolate: 0, wasm: 0 };
const innocentMs: number[] = [];
let stopped = false;

process.on('unhandledRejection', (error) => complain('nobody caught', error));
process.on('uncaughtException', (error) => complain('nobody caught', error));

const nothing = new NothingLeft();
const caisson = await Caisson.open();
await caisson.evaluate('javascript', '1', limits);
await caisson.evaluate('wasm', smallModule, { ...limits, export: 'run' });
nothing.note();
const freshMs = await freshHosts();
const before = { descriptors: descriptors(), aliveBytes: alive() };

const began = performance.now();
const watch = setInterval(look, 5);
const ends = sleep(Number(options.minutes) * 60_000).then(() => {
  stopped = true;
});
await Promise.all([
  ends,
  ...Array.from({ length: Number(options.attackers) }, attacker),
  ...Array.from({ length: Number(options.innocents) }, innocent),
]);
clearInterval(watch);
const seconds = Math.round((performance.now() - began) / 1000);
// Idle hosts stay for a while, with their connections: as before.
await caisson.evaluate('javascript', '1', limits);
await sleep(1500);
const after = { descriptors: descriptors(), aliveBytes: alive() };
const hostsAfter = hostsOf('isolate').length + hostsOf('wasm').length;
await caisson.close();
await sleep(200);
if (after.descriptors > before.descriptors + 8) {
  complain('descriptors', new Error(`${before.descriptors} before, ${after.descriptors} after`));
}
if (after.aliveBytes > before.aliveBytes + LEAK_BYTES) {
  complain('memory', new Error(`${before.aliveBytes} before, ${after.aliveBytes} after`));
}
await nothing.check().catch((error: unknown) => complain('left', error));
report();

/** How soon the next evaluation is answered once a host was lost, while another stands by. */
async function freshHosts(): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < 10; i++) {
    await sleep(700);
    await caisson.evaluate('javascript', 'for (;;);', { ...limits, cpuMs: 50 });
    const start = performance.now();
    await caisson.evaluate('javascript', '1', limits);
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b);
}

async function attacker(): Promise<void> {
  while (!stopped) await attack(choose());
}

function choose(): Attack {
  const kind = random();
  if (kind < 0.25) return randomProgram(random);
  if (kind < 0.5) return mutated(random);
  const all = kind < 0.85 ? isolateAttacks : wasmAttacks;
  return all[Math.floor(random() * all.length)] as Attack;
}

async function attack({ name, language, source, options: own, ends: may, check }: Attack) {
  try {
    const work = caisson.evaluate(language, source, { ...limits, ...own });
    const done = await Promise.race([work, hung()]);
    count(`${name.startsWith('made up') ? 'made up' : language}: ${done.kind}`);
    if (!may.includes(done.kind)) {
      throw new Error(`it ${done.kind} ${done.signal ?? done.code ?? ''} ${done.error?.message}`);
    }
    // A machine this busy can let any of them run out of time.
    if (done.kind === 'exited') check?.(done);
    const over = done.usage.wallMs - limits.timeoutMs;
    if (over > slowest.ms) Object.assign(slowest, { ms: over, name: name.slice(0, 80) });
    if (over > GRACE_MS + TOLERATED_MS) throw new Error(`${over} ms after its limit`);
  } catch (error) {
    complain(name, error);
  }
}

async function innocent(): Promise<void> {
  const kinds = Object.entries(innocents);
  for (let n = 0; !stopped; n++) {
    const [name, run] = kinds[Math.floor(random() * kinds.length)] as (typeof kinds)[number];
    const start = performance.now();
    try {
      // They may take their time: who waits behind an attack is not late by its own doing.
      await Promise.race([run(caisson, n, { ...limits, cpuMs: 5000, timeoutMs: 10_000 }), hung()]);
      innocentMs.push(performance.now() - start);
      count(`innocent: ${name}`);
    } catch (error) {
      complain(`innocent: ${name}`, error);
    }
    await sleep(random() * 20);
  }
}

/** As the kernel tells it. */
function look(): void {
  for (const engine of ['isolate', 'wasm'] as const) {
    const { memoryBytes } = limits;
    const kind = { engine, memoryBytes, keeps: true };
    const most = memoryBytes + hostProgram(kind, []).baseBytes;
    for (const { residentBytes, pid } of hostsOf(engine)) {
      if (residentBytes > peak[engine]) peak[engine] = residentBytes;
      if (residentBytes > most + HOST_SLACK_BYTES) {
        complain('memory beyond the limit', new Error(`${residentBytes} bytes in ${pid}`));
      }
    }
  }
}

async function hung(): Promise<never> {
  await sleep(HUNG_MS, undefined, { ref: false });
  throw new Error(`no answer in ${HUNG_MS} ms`);
}

function complain(what: string, error: unknown): void {
  count('wrong');
  if (wrong.length < 50) wrong.push(`${what}: ${(error as Error)?.stack ?? String(error)}`);
}

function count(name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** What is reachable. What the allocator keeps of the pages that results of megabytes had is no leak, and varies by 100 MiB. */
function alive(): number {
  // What a first collection makes unreachable goes with the next.
  for (let i = 0; i < 3; i++) collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function report(): void {
  innocentMs.sort((a, b) => a - b);
  const at = (part: number): number =>
    Math.round(innocentMs[Math.floor((innocentMs.length - 1) * part)] ?? 0);
  const isClean = (counts.wrong ?? 0) === 0;
  const { seed } = options;
  const result = {
    seconds,
    seed,
    counts,
    wrong,
    isClean,
    freshMs: { median: freshMs[5], most: freshMs.at(-1) },
    innocentMs: { median: at(0.5), p99: at(0.99), most: at(1) },
    slowest,
    peakMiB: { isolate: Math.round(peak.isolate / MiB), wasm: Math.round(peak.wasm / MiB) },
    caller: { before, after },
    hostsAfter,
  };
  if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    const { counts: _, wrong: __, ...figures } = result;
    for (const [name, value] of Object.entries(figures)) {
      process.stdout.write(`${name}: ${JSON.stringify(value)}\n`);
    }
    for (const [name, number] of Object.entries(counts).sort()) {
      process.stdout.write(`  ${number} ${name}\n`);
    }
    for (const text of wrong) process.stdout.write(`WRONG ${text}\n`);
    process.stdout.write(isClean ? 'clean\n' : 'NOT clean\n');
  }
  process.exitCode = isClean ? 0 : 1;
}
