/**
 * Words to an invocation, by a command's own table. node:util's parseArgs splits them into tokens.
 */
import { parseArgs } from 'node:util';
import { CaissonError, isCaissonError } from '../core/error.ts';
import { suggest } from '../policy/suggest.ts';
import type { Command, Flag, Flags, Invocation } from './command.ts';
import { allFlags } from './flags.ts';

export interface ParsedCommandLine extends Invocation {
  readonly help: boolean;
}

/**
 * Flags end at `--`; for a command that takes the guest's, also at the first word that is no flag, so that
 * `caisson run ls -l` means what it says.
 *
 * @throws CaissonError `REQUEST_INVALID`
 */
export function parseCommandLine(command: Command, words: readonly string[]): ParsedCommandLine {
  const table = allFlags(command);
  const flags: Record<string, boolean | string | string[]> = {};
  const positionals: string[] = [];
  let argv: readonly string[] = [];

  for (const token of tokenize(table, words)) {
    if (token.kind === 'option-terminator') {
      if (command.guest !== undefined || command.words !== undefined) {
        argv = words.slice(token.index + 1);
        break;
      }
    } else if (token.kind === 'positional') {
      if (command.guest !== undefined) {
        argv = words.slice(token.index);
        break;
      }
      positionals.push(token.value);
    } else {
      set(flags, command, table, token);
    }
  }
  const { json, help, ...given } = flags;
  if (help !== true) checkCounts(command, positionals, argv);
  return { flags: given as never, positionals, argv, json: json === true, help: help === true };
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

function tokenize(table: Flags, words: readonly string[]): Token[] {
  const options: Record<string, { type: 'boolean' | 'string'; short?: string }> = {};
  for (const [name, flag] of Object.entries(table)) {
    options[name] = {
      type: flag.value === undefined ? 'boolean' : 'string',
      ...(flag.short === undefined ? {} : { short: flag.short }),
    };
  }
  // Not strict: unknown flags come as tokens, and we say what was meant.
  const { tokens } = parseArgs({
    args: [...words],
    options,
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  return tokens;
}

function set(
  flags: Record<string, boolean | string | string[]>,
  command: Command,
  table: Flags,
  { name, rawName, value, inlineValue }: OptionToken,
): void {
  const negated = name.startsWith('no-') ? table[name.slice(3)] : undefined;
  if (negated?.negatable) {
    if (value !== undefined) throw invalid(command, `${rawName} takes no value`);
    flags[name.slice(3)] = false;
    return;
  }
  const flag = Object.hasOwn(table, name) ? table[name] : undefined;
  if (flag === undefined) throw unknownFlag(command, table, rawName);
  if (flag.value === undefined) {
    if (value !== undefined) throw invalid(command, `${rawName} takes no value`);
    flags[name] = true;
    return;
  }
  if (value === undefined)
    throw invalid(command, `${rawName} needs a value: ${rawName} ${flag.value}`);
  if (!inlineValue && /^--?[a-zA-Z]/.test(value)) {
    throw invalid(
      command,
      `${rawName} needs a value, and ${value} looks like a flag`,
      `if it is the value, write ${rawName}=${value}`,
    );
  }
  checkValue(command, rawName, flag, value);
  if (flag.repeatable) flags[name] = [...((flags[name] as string[] | undefined) ?? []), value];
  else if (name in flags) throw invalid(command, `${rawName} is given twice`, 'give it once');
  else flags[name] = value;
}

function checkValue(command: Command, rawName: string, flag: Flag, value: string): void {
  if (value.includes('\0')) throw invalid(command, `the value of ${rawName} holds a NUL byte`);
  if (flag.choices !== undefined && !flag.choices.includes(value)) {
    const near = suggest(value, flag.choices);
    throw invalid(
      command,
      `${rawName} ${value}: not one of ${flag.choices.join(', ')}`,
      near === undefined ? undefined : `did you mean ${rawName} ${near}?`,
    );
  }
  try {
    flag.check?.(value);
  } catch (error) {
    if (isCaissonError(error)) throw invalid(command, `${rawName}: ${error.message}`, error.hint);
    throw error;
  }
}

function checkCounts(command: Command, given: readonly string[], argv: readonly string[]): void {
  if (command.guest === 'required' && argv.length === 0) {
    throw invalid(
      command,
      `${command.name} needs a command to run`,
      `caisson ${command.name} -- python3 script.py`,
    );
  }
  const wanted = command.positionals ?? [];
  const missing = wanted.find((each, i) => !each.optional && i >= given.length);
  if (missing) throw invalid(command, `${command.name} needs ${missing.name}: ${missing.summary}`);
  if (given.length > wanted.length && !wanted.at(-1)?.repeatable) {
    throw invalid(command, `${command.name} does not take ${JSON.stringify(given[wanted.length])}`);
  }
  wanted.forEach(({ name, choices }, i) => {
    const word = given[i];
    if (word === undefined || choices === undefined || choices.includes(word)) return;
    const near = suggest(word, choices);
    throw invalid(
      command,
      `${name} ${JSON.stringify(word)}: not one of ${choices.join(', ')}`,
      near === undefined ? undefined : `did you mean ${near}?`,
    );
  });
}

function unknownFlag(command: Command, table: Flags, rawName: string): CaissonError {
  const near = suggest(rawName.replace(/^-+/, ''), Object.keys(table));
  return invalid(
    command,
    `${command.name} has no flag ${rawName}`,
    near === undefined ? undefined : `did you mean --${near}?`,
  );
}

function invalid(command: Command, message: string, hint?: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message,
    hint: hint ?? `caisson ${command.name} --help`,
  });
}
