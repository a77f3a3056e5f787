/**
 * A `run` that was compiled before: this process becomes the launcher (execve(2)), which carries the plan out with our
 * own streams. No parser, no policy, no compiler: what makes a short command short. All of it is in the one file that
 * starts, and it loads nothing of Node's but node:fs.
 *
 * Only what has nothing to look after is remembered (remember-run.ts): no kept changes, no protected paths, no variables
 * of the command line, no toolchain of a home, no terminal. Everything else takes the ordinary way (command-line.ts),
 * with the same result.
 */
import { fstatSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { version } from '../core/version.ts';
import { resolveToolchain } from '../host/toolchain.ts';
import { takeEnvironment } from '../sandbox/caller-environment.ts';
import { mayAskForTraces } from './otel-environment.ts';
import { PlanCache, stampOf } from './plan-cache.ts';

/** Flags that need the ordinary way, whatever else is said. */
const NEVER =
  /^(-[a-zA-Z]*[eCh]|--(env|env-file|tty|no-tty|cwd|json|help|overlay|srt-settings|telemetry)(=|$))/;

/** execve(2) fails with more, and then there would be no way back. */
const WORDS_MAX = 64 * 1024;

/** Linux: makedev(1, 3). */
const NULL_DEVICE = 0x103;

/** What of a command line names its plan, and what the guest runs. Nothing where it cannot be a known one. */
export function knownWords(
  words: readonly string[],
): { flags: string[]; argv: string[] } | undefined {
  const at = words.indexOf('--');
  if (words[0] !== 'run' || at < 0 || at === words.length - 1) return undefined;
  const [flags, argv] = [words.slice(1, at), words.slice(at + 1)];
  if (flags.some((word) => NEVER.test(word)) || argv[0] === '') return undefined;
  return argv.join(' ').length > WORDS_MAX ? undefined : { flags, argv };
}

/**
 * A terminal is never handed in, a file could be read back or cut short by the guest: they take the ordinary way, where
 * bytes pass through us. Pipes, sockets and /dev/null are the guest's own to use.
 */
export function mayInheritStreams(): boolean {
  return [0, 1, 2].every((descriptor) => {
    try {
      const stat = fstatSync(descriptor);
      return stat.isFIFO() || stat.isSocket() || stat.rdev === NULL_DEVICE;
    } catch {
      return false;
    }
  });
}

/** What a plan depends on besides its policy files, the environment and the launcher. */
export function planKey(flags: readonly string[]): string {
  const here = statSync('.');
  return [
    version,
    ...flags,
    '--',
    process.cwd(),
    `${here.dev}:${here.ino}`,
    process.env.HOME ?? '',
    `${process.geteuid?.()}:${process.getegid?.()}`,
    textOf('/proc/sys/kernel/random/boot_id'),
    textOf('/proc/self/cgroup'),
    textOf('/proc/self/limits'),
    ...['/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', '/etc/localtime'].map(stampOf),
  ].join('\0');
}

/** Whether the command needs nothing that the plan does not show; as sandbox/place.ts asks it. */
function needsNoToolchain(command: string, workspace: string | undefined): boolean {
  const found = resolveToolchain(command, {
    cwd: workspace ?? '/',
    home: process.env.HOME ?? '/',
    env: process.env,
    ...(workspace === undefined ? {} : { workspace }),
  });
  return (
    found.binds.length === 0 &&
    found.path.length === 0 &&
    found.env.length === 0 &&
    found.command === command
  );
}

/** Does not return where the run is known. Else nothing has happened, and the ordinary way is to be taken. */
export function becomeKnownRun(words: readonly string[]): void {
  const line = knownWords(words);
  if (line === undefined || typeof process.execve !== 'function' || !mayInheritStreams()) return;
  // The launcher alone tells nobody of what it does.
  if (!line.flags.includes('--no-telemetry') && mayAskForTraces(process.env)) return;
  const found = new PlanCache().get(planKey(line.flags));
  if (found === undefined) return;
  const { launcher, pass, environment, paths, workspace } = found.known;
  const { values } = takeEnvironment(process.env, pass);
  const same =
    stampOf(launcher.path) === launcher.stamp &&
    isSame(values, environment) &&
    paths.every(({ path, real }) => realPath(path) === real) &&
    needsNoToolchain(line.argv[0] ?? '', workspace);
  if (!same) return;
  process.execve(launcher.path, ['caisson', 'run', found.plan, '--', ...line.argv], {});
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return '';
  }
}

/** In whatever order: a shell between us and the caller may have changed that. */
function isSame(
  values: Readonly<Record<string, string>>,
  known: Readonly<Record<string, string>>,
): boolean {
  const names = Object.keys(values);
  return (
    names.length === Object.keys(known).length &&
    names.every((name) => values[name] === known[name])
  );
}
