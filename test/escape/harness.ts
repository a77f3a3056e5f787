/**
 * Shared by the escape tests: a real plan from the real compiler, with mechanisms taken out of it; attack programs in C;
 * launchers built wrong on purpose; what the host looks like before and after.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gatherFacts } from '../../src/host/facts.ts';
import { LauncherClient } from '../../src/launcher/client.ts';
import type { Execution } from '../../src/launcher/execution.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import type { RawResult } from '../../src/launcher/protocol/decode-result.ts';
import { encodeJob } from '../../src/launcher/protocol/encode-job.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { type BindInput, bindJob } from '../../src/plan/bind.ts';
import { compile } from '../../src/plan/compile.ts';
import type { HostFacts } from '../../src/plan/facts.ts';
import type { Job, KindPlan, MountFlag, Namespace } from '../../src/plan/plan.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const native = join(root, 'native', 'launcher');

/** The skips of test/skips.json; `false` where the test can run. */
export const needs = {
  root: process.geteuid?.() === 0 ? false : 'needs root',
  gcc: has('gcc') ? false : 'gcc is not installed',
  rootAndGcc:
    process.geteuid?.() !== 0 ? 'needs root' : has('gcc') ? false : 'gcc is not installed',
} as const;

/** An ordinary user of this machine without a name. */
export const ORDINARY = 65_533;

function has(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((path) => existsSync(join(path, program)));
}

/** A temporary directory with programs and whatever else a test puts there; gone, and checked to be, afterwards. */
export class Range {
  /** 0755, absolute, without links. */
  readonly path: string;

  constructor() {
    this.path = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-escape-')));
    chmodSync(this.path, 0o755);
  }

  /** A directory inside, made if need be. */
  directory(name: string, mode = 0o755): string {
    const path = join(this.path, name);
    mkdirSync(path, { recursive: true });
    chmodSync(path, mode);
    return path;
  }

  file(name: string, content: string, mode = 0o644): string {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  }

  /** Compiles C (static, _GNU_SOURCE, common headers included) to `bin/NAME` and gives its path. */
  program(name: string, source: string): string {
    const path = join(this.directory('bin'), name);
    const text = join(this.directory('source'), `${name}.c`);
    writeFileSync(text, `${prelude}\n#line 1 "${name}.c"\n${source}`);
    compileStatic([text], path, ['-D_GNU_SOURCE', '-Wall']);
    return path;
  }

  /** A copy of a launcher that any user can run. */
  copyOfLauncher(from: string = locateLauncher().path): string {
    const path = join(this.directory('launcher'), 'caisson-launcher');
    copyFileSync(from, path);
    chmodSync(path, 0o755);
    return path;
  }

  [Symbol.dispose](): void {
    const mounted = mountsBelow(this.path);
    rmSync(this.path, { recursive: true, force: true });
    assert.deepEqual(mounted, [], 'a mount of the test is left on the host');
  }
}

const prelude = [
  'errno',
  'fcntl',
  'grp',
  'sched',
  'signal',
  'stdint',
  'stdio',
  'stdlib',
  'string',
  'time',
  'unistd',
]
  .concat([
    'dirent',
    'sys/ioctl',
    'sys/mman',
    'sys/mount',
    'sys/prctl',
    'sys/ptrace',
    'sys/resource',
    'sys/socket',
  ])
  .concat([
    'sys/stat',
    'sys/syscall',
    'sys/sysmacros',
    'sys/types',
    'sys/uio',
    'sys/un',
    'sys/wait',
  ])
  .map((header) => `#include <${header}.h>`)
  .join('\n');

function compileStatic(sources: readonly string[], out: string, flags: readonly string[]): void {
  const multiarch = execFileSync('gcc', ['-print-multiarch'], { encoding: 'utf8' }).trim();
  const musl = has('musl-gcc');
  const headers = musl
    ? ['-idirafter', '/usr/include', '-idirafter', `/usr/include/${multiarch}`]
    : [];
  execFileSync(musl ? 'musl-gcc' : 'gcc', [
    ...headers,
    '-O0',
    '-static',
    ...flags,
    ...sources,
    '-o',
    out,
  ]);
}

/**
 * A launcher from the same sources that lacks what no plan can take out, by the names of native/launcher/test/ablate.h.
 * Kept in the build directory for as long as the sources are the same.
 */
export function weakLauncher(...ablations: string[]): string {
  const names = readdirSync(native).filter((name) => /\.[ch]$/.test(name));
  const sources = names.filter((name) => name.endsWith('.c')).map((name) => join(native, name));
  const ablate = join(native, 'test', 'ablate.h');
  const known = readFileSync(ablate, 'utf8');
  for (const name of ablations) assert.match(known, new RegExp(`CAISSON_ABLATE_${name}\\b`));
  const hash = createHash('sha256').update(ablations.join()).update(known);
  for (const name of names) hash.update(readFileSync(join(native, name)));
  const directory = join(native, 'build', 'ablated');
  const path = join(directory, hash.digest('hex').slice(0, 16));
  if (existsSync(path)) return path;
  mkdirSync(directory, { recursive: true });
  const fresh = `${path}.${process.pid}`;
  const defines = ablations.map((name) => `-DCAISSON_ABLATE_${name}`);
  const language = ['-w', '-std=c17', '-D_GNU_SOURCE', '-DCAISSON_BUILD="weak"'];
  compileStatic(sources, fresh, [...language, ...defines, '-include', ablate]);
  renameSync(fresh, path);
  return path;
}

export interface Setup {
  /** A policy document over level `strict`. */
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly argv: readonly string[];
  readonly facts: HostFacts;
  readonly workspace?: string;
  readonly job?: Partial<BindInput>;
}

/** What the library would send to the launcher. */
export function prepare(setup: Setup): { kind: KindPlan; job: Job } {
  const { policy, workspace, facts, argv } = setup;
  const over = { version: 1, level: 'strict', ...policy };
  // An attack goes on after a refusal, so that each of its steps is seen.
  const parsed = policyFromDocument({ onViolation: 'record', ...over }, { home: '/root' });
  const place = workspace === undefined ? {} : { workspace };
  const compiled = compile(parsed, facts, place);
  assert.equal(compiled.wall, 'process');
  const job = bindJob(compiled.job, { argv, env: {}, ...place, ...setup.job });
  return { kind: compiled.kind, job };
}

export type Mechanism =
  | 'seccomp'
  | 'landlock'
  | 'no capabilities'
  | 'cgroup'
  | 'rlimits'
  | 'masks'
  | 'idmap'
  | 'nosuid'
  | 'nodev'
  | 'readonly'
  | `${Exclude<Namespace, 'user' | 'mount' | 'pid'>} namespace`;

/** The plan and job with those mechanisms taken out. */
export function without<T extends { kind: KindPlan; job: Job }>(from: T, ...out: Mechanism[]): T {
  let { kind, job } = from;
  const drop = (flag: MountFlag) => {
    const strip = <M extends { readonly kind: string }>(mount: M): M =>
      'flags' in mount
        ? { ...mount, flags: (mount.flags as readonly MountFlag[]).filter((one) => one !== flag) }
        : mount;
    kind = { ...kind, mounts: kind.mounts.map(strip) };
    job = { ...job, mounts: job.mounts.map(strip) };
  };
  for (const mechanism of out) {
    switch (mechanism) {
      case 'seccomp': {
        const { seccomp: _, notified: __, ...rest } = kind;
        kind = rest;
        break;
      }
      case 'landlock': {
        const { landlock: _, ...rest } = kind;
        kind = rest;
        job = { ...job, landlock: [] };
        break;
      }
      case 'no capabilities':
        kind = { ...kind, capabilities: allCapabilities };
        break;
      case 'cgroup': {
        const { cgroup: _, ...rest } = kind;
        kind = rest;
        break;
      }
      case 'rlimits':
        kind = { ...kind, rlimits: [] };
        break;
      case 'masks':
        kind = { ...kind, mounts: kind.mounts.filter((mount) => mount.kind !== 'mask') };
        break;
      case 'idmap':
      case 'nosuid':
      case 'nodev':
      case 'readonly':
        drop(mechanism);
        break;
      default: {
        const namespaces = kind.namespaces.filter((name) => `${name} namespace` !== mechanism);
        assert.notEqual(namespaces.length, kind.namespaces.length, mechanism);
        kind = { ...kind, namespaces };
      }
    }
  }
  return { ...from, kind, job };
}

const all = (1n << 41n) - 1n;
export const allCapabilities: KindPlan['capabilities'] = {
  bounding: all,
  effective: all,
  permitted: all,
  inheritable: all,
  ambient: all,
  securebits: 0,
};

export interface Ran {
  readonly status: number;
  /** Exit code, or 128 + signal. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly raw: RawResult;
}

/** A launcher and the facts that it found. */
export class Wall {
  readonly client: LauncherClient;
  readonly facts: HostFacts;

  private constructor(client: LauncherClient, facts: HostFacts) {
    this.client = client;
    this.facts = facts;
  }

  /** `command`: what stands before `serve`, so that a test can start the launcher in a strange place or as another user. */
  static async open(command: readonly string[] = [locateLauncher().path]): Promise<Wall> {
    const [program = '', ...rest] = command;
    const client = new LauncherClient(program, [...rest, 'serve']);
    return new Wall(client, gatherFacts(await client.probe()));
  }

  /** As an ordinary user; `launcher` must be where that user can reach it. */
  static ordinary(launcher: string, groups: readonly number[] = []): Promise<Wall> {
    const supplementary = groups.length === 0 ? '--clear-groups' : `--groups=${groups.join()}`;
    const who = [`--reuid=${ORDINARY}`, `--regid=${ORDINARY}`, supplementary];
    return Wall.open(['setpriv', ...who, launcher]);
  }

  prepare(setup: Omit<Setup, 'facts'>): { kind: KindPlan; job: Job } {
    return prepare({ ...setup, facts: this.facts });
  }

  /** One run in a fresh sandbox. Rejects when the launcher refuses. */
  async run({ kind, job }: { kind: KindPlan; job: Job }): Promise<Ran> {
    const plan = this.client.preparePlan(encodePlan(kind));
    await plan.ready;
    try {
      return ranFrom(await this.client.run(plan, job));
    } finally {
      await this.client.forgetPlan(plan);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }
}

export function ranFrom(raw: RawResult): Ran {
  const signal = raw.status & 0x7f;
  const code = signal === 0 ? (raw.status >> 8) & 0xff : 128 + signal;
  const text = (output: { bytes: Buffer }) => output.bytes.toString();
  return { status: raw.status, code, stdout: text(raw.stdout), stderr: text(raw.stderr), raw };
}

/** Settles with the first output, or rejects when it ends without any. */
export async function firstOutput(execution: Execution): Promise<Buffer> {
  const ended = execution.result.then(() => assert.fail('it ended without a word'));
  const data = new Promise<Buffer>((resolve) => execution.stdout.once('data', resolve));
  return await Promise.race([data, ended]);
}

/** Writes a plan with a default job, for `caisson-launcher run PLAN -- argv`. */
export function writePlan(path: string, { kind, job }: { kind: KindPlan; job: Job }): string {
  const { cgroup: _, ...plain } = kind;
  const stdio = { stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' } as const;
  writeFileSync(path, encodePlan(plain, encodeJob({ ...job, argv: [], ...stdio })));
  return path;
}

/** Every file below a directory with type, mode, owner and content; equal snapshots mean that nothing was changed. */
export function snapshot(path: string): Readonly<Record<string, string>> {
  const seen: Record<string, string> = {};
  const visit = (at: string, name: string): void => {
    const stat = lstatSync(at);
    const what = stat.isFile()
      ? createHash('sha256').update(readFileSync(at)).digest('hex').slice(0, 16)
      : stat.isSymbolicLink()
        ? readlinkSync(at)
        : '';
    seen[name] = `${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${what}`;
    if (stat.isDirectory())
      for (const one of readdirSync(at)) visit(join(at, one), join(name, one));
  };
  visit(path, '.');
  return seen;
}

/** What of this process's mount table lies at or below a path. */
export function mountsBelow(path: string): string[] {
  const table = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return table.filter((line) => `${line.split(' ')[4] ?? ''}/`.startsWith(`${path}/`));
}
