/**
 * Completion for zsh, from the table; `_arguments` reads the flags.
 */
import type { Command, Flag, Positional } from '../command.ts';
import { allFlags } from '../flags.ts';
import { groups, topWords } from './words.ts';

export function zshCompletion(commands: readonly Command[]): string {
  const summaries = new Map(commands.map(({ name, summary }) => [name, summary]));
  const top = topWords(commands).map(
    (word) => `'${word}:${escapeSpec(summaries.get(word) ?? 'policies')}'`,
  );
  return `#compdef caisson
# caisson completion zsh > a directory of $fpath, named _caisson
_caisson() {
  local -a top=(${top.join(' ')})
  if ((CURRENT == 2)); then _describe command top; return; fi
  local name=$words[2]
  shift words; ((CURRENT--))
${groups(commands)
  .map(({ group, names }) => {
    const inner = names.map((name) => {
      const summary = summaries.get(`${group} ${name}`) ?? `${group} ${name}`;
      return `'${name}:${escapeSpec(summary)}'`;
    });
    return `  if [[ $name == '${group}' ]]; then
    local -a inner=(${inner.join(' ')})
    if ((CURRENT == 2)); then _describe command inner; return; fi
    name="$name $words[2]"
    shift words; ((CURRENT--))
  fi`;
  })
  .join('\n')}
  case $name in
${commands.map(oneCommand).join('\n')}
  esac
}
if [[ $funcstack[1] == _caisson ]]; then _caisson "$@"; else compdef _caisson caisson; fi
`;
}

function oneCommand(command: Command): string {
  const specs = [
    ...Object.entries(allFlags(command)).flatMap(([name, flag]) => flagSpecs(name, flag)),
    ...(command.guest === undefined
      ? (command.positionals ?? []).map(positionalSpec)
      : [`'*::command:_normal'`]),
  ];
  return `    '${command.name}') _arguments -S \\\n      ${specs.join(' \\\n      ')} ;;`;
}

function flagSpecs(name: string, flag: Flag): string[] {
  const many = flag.repeatable ? '*' : '';
  const value = flag.value === undefined ? '' : `:${escapeSpec(flag.value)}:${values(flag)}`;
  const words = [
    `--${name}`,
    ...(flag.negatable ? [`--no-${name}`] : []),
    ...(flag.short === undefined ? [] : [`-${flag.short}`]),
  ];
  return words.map((word) => `'${many}${word}[${escapeSpec(flag.summary)}]${value}'`);
}

function positionalSpec(positional: Positional): string {
  const place = positional.repeatable ? '*' : '';
  const mark = positional.optional ? '::' : ':';
  return `'${place}${mark}${escapeSpec(positional.name)}:${values(positional)}'`;
}

function values({ choices, completes }: Pick<Flag, 'choices' | 'completes'>): string {
  if (choices !== undefined) return `(${choices.join(' ')})`;
  if (completes === undefined) return ' ';
  return completes === 'file' ? '_files' : '_files -/';
}

/** For a specification of `_arguments`, inside single quotes. */
function escapeSpec(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll("'", `'\\''`)
    .replace(/[:[\]]/g, '\\$&');
}
