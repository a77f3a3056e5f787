/**
 * Which command a command line names. A name may be two words (`policy check`).
 */
import { CaissonError } from '../core/error.ts';
import { suggest } from '../policy/suggest.ts';
import type { Command } from './command.ts';
import { commands } from './commands.ts';

export interface Found {
  readonly command: Command;
  /** What follows the name. */
  readonly rest: readonly string[];
}

/** @throws CaissonError `REQUEST_INVALID`, with what was probably meant */
export function findCommand(words: readonly string[]): Found {
  const [first = '', second = ''] = words;
  const whole = commands.find(({ name }) => name === first);
  if (whole) return { command: whole, rest: words.slice(1) };

  const group = commands.filter(({ name }) => name.startsWith(`${first} `));
  if (first !== '' && group.length > 0) {
    const inner = group.find(({ name }) => name === `${first} ${second}`);
    if (inner) return { command: inner, rest: words.slice(2) };
    const names = group.map(({ name }) => name.slice(first.length + 1));
    throw unknown(
      second === '' ? `${first} needs one of ${names.join(', ')}` : '',
      second,
      names,
      first,
    );
  }
  throw unknown('', first, [...new Set(commands.map(({ name }) => name.split(' ')[0] ?? ''))]);
}

function unknown(
  message: string,
  word: string,
  names: readonly string[],
  group?: string,
): CaissonError {
  const prefix = group === undefined ? 'caisson' : `caisson ${group}`;
  const near = suggest(word, names);
  return new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: message || `there is no command ${JSON.stringify(word)}`,
    hint:
      near === undefined
        ? `${prefix} --help lists the commands`
        : `did you mean ${prefix} ${near}?`,
  });
}
