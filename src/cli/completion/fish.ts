/**
 * Completion for fish, from the table.
 */
import type { Command, Flag } from '../command.ts';
import { allFlags } from '../flags.ts';
import { groups, topWords } from './words.ts';

export function fishCompletion(commands: readonly Command[]): string {
  const inGroup = groups(commands);
  const lines = ['# caisson completion fish | source', 'complete -c caisson -f'];
  for (const word of topWords(commands)) {
    const summary = commands.find(({ name }) => name === word)?.summary ?? 'policies';
    lines.push(`complete -c caisson -n __fish_use_subcommand -a ${word} -d ${quote(summary)}`);
  }
  for (const { group, names } of inGroup) {
    for (const name of names) {
      const summary = commands.find((each) => each.name === `${group} ${name}`)?.summary ?? '';
      lines.push(
        `complete -c caisson -n '${seen(group)}; and not __fish_seen_subcommand_from ${names.join(' ')}' -a ${name} -d ${quote(summary)}`,
      );
    }
  }
  for (const command of commands) lines.push(...commandLines(command));
  return `${lines.join('\n')}\n`;
}

function commandLines(command: Command): string[] {
  const start = `complete -c caisson -n '${seen(command.name)}'`;
  const flags = Object.entries(allFlags(command)).flatMap(([name, flag]) => [
    `${start} -l ${name}${flag.short === undefined ? '' : ` -s ${flag.short}`}${value(flag)} -d ${quote(flag.summary)}`,
    ...(flag.negatable ? [`${start} -l no-${name} -d ${quote(`Not: ${flag.summary}`)}`] : []),
  ]);
  const positional = command.positionals?.[0];
  const words =
    positional?.choices !== undefined
      ? [`${start} -a ${quote(positional.choices.join(' '))}`]
      : positional?.completes !== undefined
        ? [`${start} -F`]
        : [];
  const guest = command.guest === undefined ? [] : [`${start} -a '(__fish_complete_subcommand)'`];
  return [...flags, ...words, ...guest];
}

/** Each of the words of a name has been typed. */
function seen(name: string): string {
  return name
    .split(' ')
    .map((word) => `__fish_seen_subcommand_from ${word}`)
    .join('; and ');
}

function value(flag: Flag): string {
  if (flag.value === undefined) return '';
  if (flag.choices !== undefined) return ` -x -a ${quote(flag.choices.join(' '))}`;
  return flag.completes === undefined ? ' -x' : ' -r -F';
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
