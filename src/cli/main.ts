/**
 * `caisson`: finds the command, calls it, prints what it came to. The only file that writes and exits by itself;
 * `run` and `shell` pass the guest's own streams through.
 */
import type { Command, Report } from './command.ts';
import { findCommand } from './find-command.ts';
import { parseCommandLine } from './parse-command-line.ts';
import { writeAll } from './write-all.ts';

const words = process.argv.slice(2);
process.exitCode = await main();

async function main(): Promise<number> {
  // A command that fails before its flags are read still owes --json its document.
  let json = words.slice(0, untilGuest(words)).includes('--json');
  try {
    const answer = await generalAnswer();
    if (answer !== undefined)
      return await print({ exit: 0, document: { text: answer }, text: answer }, json);
    const { command, rest } = findCommand(words);
    const invocation = parseCommandLine(command, rest);
    json = invocation.json;
    if (invocation.help) return await printHelp(command, json);
    const { action } = await command.load();
    return await print(await action(invocation), json);
  } catch (error) {
    return await printError(error, json);
  }
}

/** Without a command: help and version. */
async function generalAnswer(): Promise<string | undefined> {
  const [first, second] = words;
  if (first === '--version' || first === '-V') {
    const { version } = await import('./version.ts');
    return `${version}\n`;
  }
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    const { overview } = await import('./help.ts');
    return overview();
  }
  if (first === 'policy' && (second === '--help' || second === '-h')) {
    const { overview } = await import('./help.ts');
    return overview('policy');
  }
  return undefined;
}

async function printHelp(command: Command, json: boolean): Promise<number> {
  const { commandHelp } = await import('./help.ts');
  const text = commandHelp(command);
  return await print({ exit: 0, document: { text }, text }, json);
}

async function print({ exit, document, text, notes = [] }: Report, json: boolean): Promise<number> {
  if (json) {
    const { toJson } = await import('./to-json.ts');
    await writeAll(1, toJson(document));
  } else {
    if (text !== undefined && text !== '') await writeAll(1, text);
    if (notes.length > 0) await writeAll(2, notes.map((note) => `caisson: ${note}\n`).join(''));
  }
  return exit;
}

async function printError(thrown: unknown, json: boolean): Promise<number> {
  const { asCaissonError, exitCodeOfError, renderError } = await import('./report-error.ts');
  const error = asCaissonError(thrown);
  if (json) {
    const { toJson } = await import('./to-json.ts');
    await writeAll(1, toJson({ error }));
  }
  await writeAll(2, renderError(error, words));
  return exitCodeOfError(error);
}

function untilGuest(all: readonly string[]): number {
  const at = all.indexOf('--');
  return at < 0 ? all.length : at;
}
