/**
 * Everything but a run that is known already: finds the command, calls it, prints what it came to.
 */
import type { Command } from './command.ts';
import { findCommand, isGroup } from './find-command.ts';
import { parseCommandLine } from './parse-command-line.ts';
import { print } from './print.ts';
import { printError } from './print-error.ts';

/** @returns the exit code; everything is written by then */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  // A command that fails before its flags are read still owes --json its document.
  let json = words.slice(0, untilGuest(words)).includes('--json');
  try {
    const answer = await generalAnswer(words);
    if (answer !== undefined)
      return await print({ exit: 0, document: { text: answer }, text: answer }, json);
    const { command, rest } = findCommand(words);
    const invocation = parseCommandLine(command, rest);
    json = invocation.json;
    if (invocation.help) return await printHelp(command, json);
    const { action } = await command.load();
    return await print(await action(invocation), json);
  } catch (error) {
    return await printError(error, words, json);
  }
}

/** Without a command: help and version. */
async function generalAnswer(words: readonly string[]): Promise<string | undefined> {
  const [first] = words;
  if (first === '--version' || first === '-V') {
    const { version } = await import('../core/version.ts');
    return `${version}\n`;
  }
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    const { overview } = await import('./help.ts');
    return overview();
  }
  const group = words.slice(0, -1).join(' ');
  const last = words.at(-1);
  if ((last === '--help' || last === '-h') && isGroup(group)) {
    const { overview } = await import('./help.ts');
    return overview(group);
  }
  return undefined;
}

async function printHelp(command: Command, json: boolean): Promise<number> {
  const { commandHelp } = await import('./help.ts');
  const text = commandHelp(command);
  return await print({ exit: 0, document: { text }, text }, json);
}

function untilGuest(all: readonly string[]): number {
  const at = all.indexOf('--');
  return at < 0 ? all.length : at;
}
