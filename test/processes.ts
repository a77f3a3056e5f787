/** Processes of this machine, whoever's they are: a guest is one of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { statOf } from './proc-stat.ts';

/** Those with just this command line. */
export function running(...argv: readonly string[]): number[] {
  const command = argv.map((word) => `${word}\0`).join('');
  return all().filter((pid) => commandLine(pid) === command);
}

/** Those with this text in their command line: the number and the words of each. */
export function mentioning(text: string): string[] {
  return all().flatMap((pid) => {
    const words = commandLine(pid).replaceAll('\0', ' ');
    return words.includes(text) ? [`${pid} ${words}`] : [];
  });
}

/** Those with this name that are alive: when a zombie is buried is up to whoever it was left to. */
export function named(name: string): number[] {
  return all().filter((pid) => {
    const stat = statOf(pid);
    return stat?.name === name && !'ZX'.includes(stat.state);
  });
}

function all(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // it went meanwhile
  }
}
