/**
 * The pages of docs/ that are made from the tables: exit-codes.md, and the reference in cli.md.
 */
import { errorCodes } from '../core/error.ts';
import type { Command } from './command.ts';
import { commands } from './commands.ts';
import { outcomeRows } from './exit-code.ts';
import { commonFlags } from './flags.ts';
import { flagRows, usage } from './help.ts';

export function exitCodesPage(): string {
  const errors = Object.entries(errorCodes).map(([code, { exit, message }]) => ({
    exit,
    code,
    message,
  }));
  errors.sort((a, b) => a.exit - b.exit || (a.code < b.code ? -1 : 1));
  return `<!-- Made by scripts/write-cli-docs.ts from src/cli/exit-code.ts and src/core/error.ts. -->

# Exit codes

The guest's own exit code passes through \`caisson run\`, \`caisson shell\` and \`caisson eval\` (there 1
where JavaScript throws). A code of Caisson's may be one that a guest can end with, too. Two things tell them apart:

- On stderr there is a line \`caisson: …\` (\`caisson-launcher: …\` where the launcher itself failed)
  whenever the exit code is not the one that the guest ended with. The guest writes to the same
  stderr and can print such a line itself.
- \`--json\` says it beyond doubt: the document has \`kind\` for what became of the guest, or \`error\`
  for what went wrong on Caisson's side.

## The guest ran

| exit code | \`kind\` | meaning |
|---|---|---|
${outcomeRows.map(({ exit, kind, meaning }) => `| ${exit} | \`${kind}\` | ${meaning} |`).join('\n')}

When the reader of the guest's output goes away, the guest gets SIGPIPE as if it had written to that
pipe itself: 141.

## The guest did not run, or Caisson failed

Where no guest is run, \`0\` is success. \`caisson policy diff\` ends with 1 where the two policies
differ in what they allow; \`caisson explain\` with 77 where a run would be refused; \`caisson doctor\`
with 69 where the process wall is not ready.

| exit code | \`error.code\` | meaning |
|---|---|---|
${errors.map(({ exit, code, message }) => `| ${exit} | <a id="${code}"></a>\`${code}\` | ${message} |`).join('\n')}

The numbers from 64 to 78 are those of sysexits(3); 126 and 127 those of a shell.

## The launcher without Node

\`caisson-launcher run PLAN -- COMMAND\` ends with the guest's own code, 128 + n for signal n (its own or
the one that we got), 124 when the wall-clock limit ended it and 137 when memory ran out, each with a
line on stderr. \`caisson run\` becomes this launcher when it has compiled the same policy before.
`;
}

/** What stands between the marks in docs/cli.md. */
export function cliReference(): string {
  return `All commands also take:

${flagTable(commonFlags)}

${commands.map(section).join('\n')}`;
}

function section(command: Command): string {
  const { name, summary, description, positionals = [], flags, examples = [] } = command;
  const words = positionals.map((each) => `- \`${each.name}\`: ${each.summary}`);
  return [
    `### caisson ${name}`,
    '',
    `${summary}.${description === undefined ? '' : ` ${description}`}`,
    '',
    `    ${usage(command)}`,
    '',
    ...(words.length === 0 ? [] : [...words, '']),
    ...(Object.keys(flags).length === 0 ? [] : [flagTable(flags), '']),
    ...(examples.length === 0 ? [] : ['```sh', ...examples, '```', '']),
  ].join('\n');
}

function flagTable(flags: Parameters<typeof flagRows>[0]): string {
  const rows = flagRows(flags).map(
    ([word, text]) =>
      `| \`${word.trim().replaceAll('|', '\\|')}\` | ${text.replaceAll('|', '\\|')} |`,
  );
  return ['| flag | |', '|---|---|', ...rows].join('\n');
}

const BEGIN = '<!-- reference: made by scripts/write-cli-docs.ts -->';
const END = '<!-- /reference -->';

/** The page with its reference brought up to date; what people wrote around it stays. */
export function withReference(page: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`docs/cli.md lacks ${BEGIN}`);
  return `${before}${BEGIN}\n\n${cliReference()}\n${END}${after}`;
}
