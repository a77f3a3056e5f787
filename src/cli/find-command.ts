/**
 * Which command a command line names. A name may be several words (`policy check`, `access keys create`).
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
  let group = '';
  for (let depth = 0; ; depth++) {
    const word = words[depth] ?? '';
    const name = depth === 0 ? word : `${group} ${word}`;
    const command = commands.find((each) => each.name === name);
    if (command) return { command, rest: words.slice(depth + 1) };
    if (word === '' || !isGroup(name)) throw notFound(group, depth, word);
    group = name;
  }
}

/** Whether commands begin with these words, and none is called so. */
export function isGroup(words: string): boolean {
  return commands.some(({ name }) => name.startsWith(`${words} `));
}

function notFound(group: string, depth: number, word: string): CaissonError {
  const within = commands.filter(({ name }) => depth === 0 || name.startsWith(`${group} `));
  const names = [...new Set(within.map(({ name }) => name.split(' ')[depth] ?? ''))];
  if (depth === 0) return unknown('', word, names);
  return unknown(
    word === '' ? `${group} needs one of ${names.join(', ')}` : '',
    word,
    names,
    group,
  );
}

function unknown(
  message: string,
  word: string,
  names: readonly string[],
  group?: string,
): CaissonError {
  const prefix = group === undefined ? 'caisson' : `caisson ${group}`;
  const near = elsewhere(group, word) ?? within(prefix, suggest(word, names));
  return new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: message || `there is no command ${JSON.stringify(word)}`,
    hint: near === undefined ? `${prefix} --help lists the commands` : `did you mean ${near}?`,
  });
}

function within(prefix: string, name: string | undefined): string | undefined {
  return name === undefined ? undefined : `${prefix} ${name}`;
}

/** The words as they stand, in another group: `keys create` is `access keys create`. Only where there is one such. */
function elsewhere(group: string | undefined, word: string): string | undefined {
  if (word === '') return undefined;
  const said = ` ${group === undefined ? word : `${group} ${word}`}`;
  const found = commands.flatMap(({ name }) => {
    const at = `${name} `.indexOf(`${said} `);
    return at < 0 ? [] : [name.slice(0, at + said.length)];
  });
  const [only, ...others] = new Set(found);
  return only === undefined || others.length > 0 ? undefined : `caisson ${only}`;
}
