/**
 * Help, from the table.
 */
import type { Command, Flag, Flags } from './command.ts';
import { commands } from './commands.ts';
import { allFlags } from './flags.ts';

/** Of a terminal. */
const WIDTH = 98;

/** All commands, or those of one group (`policy`). */
export function overview(group?: string): string {
  const shown = commands.filter(({ name }) => group === undefined || name.startsWith(`${group} `));
  return [
    'Runs code that nobody has reason to trust, isolated.',
    '',
    'Usage: caisson COMMAND [FLAGS]',
    '',
    ...columns(shown.map(({ name, summary }) => [name, summary])),
    '',
    'caisson COMMAND --help says more; caisson --version says which this is.',
    'Exit codes: the guest’s own pass through; docs/exit-codes.md has the table.',
    '',
  ].join('\n');
}

export function commandHelp(command: Command): string {
  const { summary, description, positionals = [], examples = [] } = command;
  return [
    `${summary}.`,
    ...(description === undefined ? [] : ['', ...wrap(description, WIDTH)]),
    '',
    `Usage: ${usage(command)}`,
    ...(positionals.length === 0
      ? []
      : ['', ...columns(positionals.map(({ name, summary }) => [name, summary]))]),
    '',
    'Flags:',
    ...columns(flagRows(allFlags(command))),
    ...(examples.length === 0 ? [] : ['', 'Examples:', ...examples.map((line) => `  ${line}`)]),
    '',
  ].join('\n');
}

export function usage({ name, flags, positionals = [], guest, words: more }: Command): string {
  const words = positionals.map(({ name, optional, repeatable }) => {
    const word = repeatable ? `${name}…` : name;
    return optional ? `[${word}]` : word;
  });
  const flagsWord = Object.keys(flags).length === 0 ? [] : ['[FLAGS]'];
  const guestWord =
    guest === undefined ? [] : [guest === 'required' ? '-- COMMAND [ARGUMENT…]' : '[-- SHELL]'];
  const moreWord = more === undefined ? [] : [`[-- ${more}]`];
  return ['caisson', name, ...flagsWord, ...words, ...guestWord, ...moreWord].join(' ');
}

/** `-m, --memory SIZE` and what it means. */
export function flagRows(flags: Flags): [string, string][] {
  return Object.entries(flags).map(([name, flag]) => [
    `${flag.short === undefined ? '    ' : `-${flag.short}, `}${flagWord(name, flag)}`,
    flag.repeatable ? `${flag.summary}; may be repeated` : flag.summary,
  ]);
}

function flagWord(name: string, { value, negatable }: Flag): string {
  if (negatable) return `--[no-]${name}`;
  return value === undefined ? `--${name}` : `--${name} ${value}`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const left = Math.min(26, Math.max(...rows.map(([word]) => word.length)));
  const indent = ' '.repeat(left + 4);
  return rows.flatMap(([word, text]) => {
    const lines = wrap(text, WIDTH - indent.length);
    if (word.length > left) return [`  ${word}`, ...lines.map((line) => `${indent}${line}`)];
    const [first = '', ...more] = lines;
    return [`  ${word.padEnd(left)}  ${first}`, ...more.map((line) => `${indent}${line}`)];
  });
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
