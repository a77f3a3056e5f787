/**
 * One writer for one directory. Everybody who opens puts down a file that names their process (boot, pid namespace,
 * pid, start time: proc(5)) and then looks for others: of two at the same moment at least one sees the other. The file
 * of a process that is gone is nobody's and is removed; a name is never used twice, so nothing can be removed by mistake.
 */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CaissonError } from '../../core/error.ts';

const PREFIX = 'lock.';
const POLL_MS = 20;

export class LogLock implements Disposable {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** As {@link take}, tried again for that long. */
  static async wait(directory: string, seconds: number): Promise<LogLock> {
    for (const end = performance.now() + seconds * 1000; ; ) {
      try {
        return LogLock.take(directory);
      } catch (error) {
        if (performance.now() >= end) throw error;
        await delay(POLL_MS + Math.random() * POLL_MS);
      }
    }
  }

  /** @throws AUDIT_UNAVAILABLE where another one has it */
  static take(directory: string): LogLock {
    const name = `${PREFIX}${bootId()}.${pidNamespace()}.${process.pid}.${startTime(process.pid) ?? 0}`;
    const path = join(directory, name);
    try {
      closeSync(openSync(path, 'wx', 0o600));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST')
        throw taken(directory, 'this process');
      throw cause;
    }
    for (const other of readdirSync(directory)) {
      if (!other.startsWith(PREFIX) || other === name) continue;
      if (isGone(other)) rmSync(join(directory, other), { force: true });
      else {
        rmSync(path, { force: true });
        throw taken(directory, `process ${other.split('.')[3]} (${join(directory, other)})`);
      }
    }
    return new LogLock(path);
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { force: true });
  }
}

/** Of what cannot be seen from here, a process in another container say, nobody can tell. */
function isGone(name: string): boolean {
  const [, boot, namespace, pid, start] = name.split('.');
  if (boot !== bootId()) return true;
  return namespace === pidNamespace() && startTime(Number(pid)) !== start;
}

function bootId(): string {
  return attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8), 'boot');
}

function pidNamespace(): string {
  return attempt(() => readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, ''), '0');
}

/** Field 22 of stat, ticks since boot; undefined for a process that is gone, or dead and not yet waited for. */
function startTime(pid: number): string | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), '');
  // The name before it may hold anything, parentheses too.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat === '' || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function attempt(read: () => string, otherwise: string): string {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

function taken(directory: string, who: string): CaissonError {
  return new CaissonError('AUDIT_UNAVAILABLE', {
    layer: 'observe',
    message: `the audit log ${directory} is open already, in ${who}`,
    hint: 'let one process write a log; give the other one a directory of its own, or wait for it',
  });
}
