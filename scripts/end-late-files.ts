/**
 * Ends test files that take too long. `timeout` of node:test is for single tests, and neither it nor a timer inside ends a file
 * that spins; SIGTERM may be handled by what a file tests. So the processes of the files are looked at from outside.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

const EVERY_MS = 1000;

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: readonly string[];
}

/** @param tell is given what was ended, in a sentence; the file fails by its name as its process is gone */
export function endLateFiles(limitMs: number, tell: (line: string) => void): Disposable {
  const since = new Map<number, number>();
  const timer = setInterval(() => {
    const all = processes();
    const files = all.filter(
      ({ parent, command }) =>
        parent === process.pid && command.some((word) => word.endsWith('.test.ts')),
    );
    for (const pid of since.keys()) {
      if (!files.some((file) => file.pid === pid)) since.delete(pid);
    }
    for (const { pid, command } of files) {
      const begun = since.get(pid) ?? performance.now();
      since.set(pid, begun);
      if (performance.now() - begun < limitMs) continue;
      const name = command.findLast((word) => word.endsWith('.test.ts')) ?? '';
      tell(`${basename(name)} was ended after ${limitMs / 1000} s: ${name}`);
      // What it started may hold the pipes that its end is told by.
      for (const each of [pid, ...below(pid, all)]) kill(each);
    }
  }, EVERY_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        // The name before it may hold anything, parentheses too.
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').filter(Boolean);
        return [{ pid: Number(name), parent, command }];
      } catch {
        // It ended meanwhile.
        return [];
      }
    });
}

function below(pid: number, all: readonly Process[]): number[] {
  return all
    .filter(({ parent }) => parent === pid)
    .flatMap((child) => [child.pid, ...below(child.pid, all)]);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
}
