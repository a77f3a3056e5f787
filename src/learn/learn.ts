/**
 * `learn`: one run of a command, watched and not isolated, and the smallest policy for what it used.
 */
import { lookup } from 'node:dns/promises';
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { arch } from 'node:process';
import type { TraceEnd } from '../launcher/trace-record.ts';
import { traceRun } from '../launcher/trace-run.ts';
import { type Destinations, learnDestinations, type NameAnswers } from './destinations.ts';
import { queriedName } from './dns-query.ts';
import { refusedCalls } from './learned-calls.ts';
import { type LearnedPolicy, learnPolicy } from './learned-policy.ts';
import { Links } from './links.ts';
import { type Observations, Observer, type PathUse } from './observations.ts';

export interface LearnOptions {
  /** Path of the launcher's program. */
  readonly program: string;
  /** Absolute, without links; the command starts in `cwd`, or there. */
  readonly workspace: string;
  readonly cwd?: string;
  readonly home?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Paths below /etc that a sandbox has without being asked (facts of the host). */
  readonly etc?: readonly string[];
  readonly stdout: 'stdout' | 'stderr';
}

export interface Learned {
  readonly seen: Observations;
  readonly destinations: Destinations;
  readonly end: TraceEnd;
  readonly policy: LearnedPolicy;
}

/** What plan/etc.ts makes up. */
const MADE_UP_ETC = ['passwd', 'group', 'hostname', 'hosts', 'resolv.conf', 'nsswitch.conf'];
const NAMES_MAX = 64;
const LOOKUP_MS = 3000;

/**
 * Runs the command WITHOUT isolation, and reads what it did. Files are looked at again when it has ended.
 *
 * @throws CaissonError as {@link traceRun}
 * @example
 * const { policy } = await learn(['make'], { program, workspace, environment: process.env, stdout: 'stderr' });
 */
export async function learn(argv: readonly string[], options: LearnOptions): Promise<Learned> {
  const observer = new Observer(new Links(readLink), queriedName);
  const { program, workspace, cwd = workspace, environment, stdout, home } = options;
  const calls = refusedCalls(arch === 'arm64' ? 'aarch64' : 'x86_64');
  const pending: Parameters<Observer['note']>[0][] = [];
  const end = await traceRun(argv, { program, calls, cwd, environment, stdout }, (record) => {
    pending.push(record);
  });
  // Not before: a link that the run replaces must not be remembered as it was half-way.
  for (const record of pending) observer.note(record);
  const seen = observer.result();
  const destinations = learnDestinations(
    seen.connections,
    await resolveNames(seen.names),
    seen.listening,
  );
  const counter = new FileCounter();
  const etc = MADE_UP_ETC.map((name) => `/etc/${name}`);
  const policy = learnPolicy(seen, destinations, {
    argv,
    end,
    workspace,
    home,
    kindNow,
    count: (directory) => counter.count(directory),
    etc: [...etc, '/etc/ld.so.preload', ...(options.etc ?? [])],
    cores: availableParallelism(),
    largestFileBytes: largestWritten(seen),
  });
  return { seen, destinations, end, policy };
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function kindNow(path: string): PathUse['before'] {
  const stat = statOf(path);
  if (stat === undefined) return '-';
  if (stat.isFile()) return 'f';
  if (stat.isDirectory()) return 'd';
  return stat.isSymbolicLink() ? 'l' : 's';
}

function statOf(path: string): ReturnType<typeof lstatSync> | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function largestWritten({ paths }: Observations): number {
  let largest = 0;
  for (const { path, written } of paths.values()) {
    const stat = written ? statOf(path) : undefined;
    if (stat?.isFile() === true) largest = Math.max(largest, Number(stat.size));
  }
  return largest;
}

/** A name that is not answered in time leads nowhere: its connections are then told by address. */
async function resolveNames(names: readonly string[]): Promise<NameAnswers> {
  const answers = await Promise.all(
    names.slice(0, NAMES_MAX).map(async (name): Promise<[string, string[]]> => {
      const found = lookup(name, { all: true }).catch(() => []);
      const late = new Promise<[]>((resolve) => setTimeout(resolve, LOOKUP_MS, []).unref());
      return [name, (await Promise.race([found, late])).map(({ address }) => address)];
    }),
  );
  return new Map(answers);
}

/** Counts files below directories, once each, and not beyond what makes no difference any more. */
class FileCounter {
  static readonly #most = 5000;
  readonly #known = new Map<string, number>();

  count(directory: string): number {
    let known = this.#known.get(directory);
    if (known === undefined) {
      known = this.#walk(directory);
      this.#known.set(directory, known);
    }
    return known;
  }

  #walk(top: string): number {
    const waiting = [top];
    let files = 0;
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (files >= FileCounter.#most) return files;
      try {
        for (const each of readdirSync(at, { withFileTypes: true })) {
          if (each.isDirectory()) waiting.push(`${at}/${each.name}`);
          else files++;
        }
      } catch {
        // What we cannot list, the run could not either.
      }
    }
    return files;
  }
}
