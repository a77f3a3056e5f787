/**
 * Refused file accesses, as the violations that a caller sees: out of Landlock's audit records, and from the observer.
 */
import { posix } from 'node:path';
import type { RawFileRefusals, RawLoggedRefusal, RawObservedRefusal } from '../backends/backend.ts';
import type { Violation } from '../core/outcome.ts';
import { syscallNames } from '../plan/seccomp/numbers.ts';

const names = syscallNames[process.arch === 'arm64' ? 'aarch64' : 'x86_64'];
const ENOENT = 2;
const EROFS = 30;

/** Equal ones in one, with pid and details of the first. */
export function fileViolations({ logged, observed, dropped }: RawFileRefusals): Violation[] {
  const folded = new Map<string, Violation>();
  for (const violation of [...logged.map(loggedRefusal), ...observed.map(observedRefusal)]) {
    const { kind, target, reason, program } = violation;
    const key = JSON.stringify([kind, target, reason, program]);
    const known = folded.get(key);
    const count = (known?.count ?? 0) + (violation.count ?? 1);
    folded.set(key, { ...(known ?? violation), count });
  }
  return [...[...folded.values()].map(once), ...(dropped === 0 ? [] : [further(dropped)])];
}

function once({ count, ...rest }: Violation): Violation {
  return count === undefined || count === 1 ? rest : { ...rest, count };
}

function further(count: number): Violation {
  return once({
    kind: 'file',
    reason: 'further refused file accesses, more than are kept apart or could be read in time',
    rule: 'filesystem',
    count,
    details: {},
  });
}

/** What Landlock calls an access (security/landlock/audit.c), in words, and the clause of a policy that grants it. */
const accesses: Readonly<Record<string, readonly [what: string, rule: string]>> = {
  'fs.execute': ['executing', 'filesystem.read'],
  'fs.read_file': ['reading', 'filesystem.read'],
  'fs.read_dir': ['listing', 'filesystem.read'],
  'fs.write_file': ['writing', 'filesystem.write'],
  'fs.truncate': ['truncating', 'filesystem.write'],
  'fs.remove_dir': ['removing a directory in', 'filesystem.write'],
  'fs.remove_file': ['removing a file in', 'filesystem.write'],
  'fs.make_char': ['making a device in', 'filesystem'],
  'fs.make_block': ['making a device in', 'filesystem'],
  'fs.make_dir': ['making a directory in', 'filesystem.write'],
  'fs.make_reg': ['making a file in', 'filesystem.write'],
  'fs.make_sock': ['making a socket in', 'filesystem.write'],
  'fs.make_fifo': ['making a pipe in', 'filesystem.write'],
  'fs.make_sym': ['making a link in', 'filesystem.write'],
  'fs.refer': ['moving between directories in', 'filesystem.write'],
  'fs.ioctl_dev': ['ioctl on', 'devices'],
  'fs.change_topology': ['changing mounts at', 'filesystem'],
};

/** `domain=1a6fdc66f blockers=fs.write_file,fs.truncate path="/etc/passwd" dev="vda2" ino=351` */
function loggedRefusal({ access, call, count }: RawLoggedRefusal): Violation {
  const fields = recordFields(access);
  const caller = recordFields(call ?? '');
  const blockers = (fields.get('blockers') ?? '').split(',').filter((word) => BLOCKER.test(word));
  const program = textOf(caller.get('comm'));
  const pid = /^[1-9]\d{0,9}$/.test(caller.get('pid') ?? '')
    ? Number(caller.get('pid'))
    : undefined;
  return {
    ...refusedAccess(blockers, fields),
    ...(pid === undefined ? {} : { pid }),
    ...(program === undefined ? {} : { program }),
    count,
    details: { source: 'audit', blockers },
  };
}

const BLOCKER = /^[a-z]+(\.[a-z_]+)?$/;

function refusedAccess(
  blockers: readonly string[],
  fields: ReadonlyMap<string, string>,
): Pick<Violation, 'kind' | 'reason' | 'target' | 'rule'> {
  const [first = 'an access'] = blockers;
  if (first.startsWith('net.')) return refusedPort(first, fields);
  const known = blockers.flatMap((word) => {
    const row = Object.hasOwn(accesses, word) ? accesses[word] : undefined;
    return row === undefined ? [] : [row];
  });
  if (known.length === 0) {
    const reason = `${first} is refused by Landlock: it would leave the sandbox`;
    return { kind: 'syscall', target: first, reason, rule: 'isolation' };
  }
  const target = textOf(fields.get('path') ?? fields.get('name'));
  const rules = known.map(([, rule]) => rule);
  const rule = rules.find((each) => each === 'filesystem.write') ?? rules[0] ?? 'filesystem';
  const what = known.map(([each]) => each).join(', ');
  const cure =
    rule === 'filesystem' ? 'no policy allows it' : `${rule}: [${target ?? 'its path'}] allows it`;
  return {
    kind: 'file',
    ...(target === undefined ? {} : { target }),
    reason: `${what} ${target ?? 'a file'} is refused by Landlock; ${cure}`,
    rule,
  };
}

function refusedPort(
  blocker: string,
  fields: ReadonlyMap<string, string>,
): Pick<Violation, 'kind' | 'reason' | 'target' | 'rule'> {
  const port = fields.get(blocker === 'net.bind_tcp' ? 'src' : 'dest') ?? '';
  return {
    kind: 'network',
    target: `port ${/^\d{1,5}$/.test(port) ? port : 'not known'}/tcp`,
    reason: `${blocker} is refused by Landlock: the policy names no such port`,
    rule: 'network',
  };
}

/** NAME=VALUE, separated by spaces. A value that a guest chose holds none: the kernel writes it in hexadecimal then. */
function recordFields(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const word of text.split(' ')) {
    const at = word.indexOf('=');
    const name = word.slice(0, at);
    if (at > 0 && !fields.has(name)) fields.set(name, word.slice(at + 1));
  }
  return fields;
}

/** In quotes as it is, else in hexadecimal; `<too_long>` and the like are none. */
function textOf(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const quoted = /^"([^"]*)"$/.exec(value)?.[1];
  if (quoted !== undefined) return shown(quoted);
  if (value.length % 2 !== 0 || !/^[0-9A-F]+$/.test(value)) return undefined;
  return shown(Buffer.from(value, 'hex').toString('utf8'));
}

/** It is printed on terminals, too. */
function shown(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\ufffd]/gu, '?');
}

const READ = 1;
const WRITE = 2;
const EXECUTE = 4;
const CHANGE = 8;

function observedRefusal(raw: RawObservedRefusal): Violation {
  const path = posix.normalize(shown(raw.path.toString('utf8')));
  const writes = (raw.access & (WRITE | CHANGE)) !== 0;
  const rule = writes ? 'filesystem.write' : 'filesystem.read';
  return {
    kind: 'file',
    target: path,
    reason: `${verb(raw.access)} ${path} ${because(raw.errno, rule, path)}`,
    ...(raw.pid === undefined ? {} : { pid: raw.pid }),
    ...(raw.program === '' ? {} : { program: raw.program }),
    rule,
    count: raw.count,
    details: {
      source: 'observer',
      call: names.get(raw.number) ?? `system call ${raw.number}`,
      errno: raw.errno,
    },
  };
}

function verb(access: number): string {
  if ((access & CHANGE) !== 0) return 'making, removing or changing';
  if ((access & WRITE) !== 0) return 'writing';
  return (access & EXECUTE) !== 0 && (access & READ) === 0 ? 'executing' : 'reading';
}

function because(errno: number, rule: string, path: string): string {
  if (errno === ENOENT) return `is refused: the sandbox does not show it; ${rule}: [${path}] does`;
  if (errno === EROFS) return `is refused: it is read-only inside; ${rule}: [${path}] allows it`;
  return 'is refused by its permissions: it belongs to somebody else';
}
