/**
 * Completion for bash, from the table.
 */
import type { Command, Flag, Flags } from '../command.ts';
import { allFlags } from '../flags.ts';
import { flagWords, groups, topWords } from './words.ts';

export function bashCompletion(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const flags = allFlags(command);
    return [
      `    '${command.name}')`,
      ...valueCases(flags),
      // Where the guest's own command stands, bash completes it as if it stood alone.
      `      if [[ $cur == -* ]]; then words='${flagWords(flags).join(' ')}'`,
      `      else ${positionalWords(command)}; fi ;;`,
    ].join('\n');
  });
  return `# caisson completion bash: source <(caisson completion bash)
_caisson() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} words='' files='' i
  local name=\${COMP_WORDS[1]} start=2
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${topWords(commands).join(' ')}' -- "$cur"))
    return
  fi
${groups(commands)
  .map(
    ({ group, names, depth }) => `  if [[ $name == '${group}' ]]; then
    if ((COMP_CWORD == ${depth + 1})); then
      COMPREPLY=($(compgen -W '${names.join(' ')}' -- "$cur"))
      return
    fi
    name="$name \${COMP_WORDS[${depth + 1}]}" start=${depth + 2}
  fi`,
  )
  .join('\n')}
  for ((i = start; i < COMP_CWORD; i++)); do
    if [[ \${COMP_WORDS[i]} == -- ]]; then
      if declare -F _command_offset >/dev/null; then _command_offset $((i + 1)); else COMPREPLY=($(compgen -c -f -- "$cur")); fi
      return
    fi
  done
  case $name in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ -n $files ]]; then COMPREPLY+=($(compgen "$files" -- "$cur")); fi
}
complete -o filenames -F _caisson caisson
`;
}

function valueCases(flags: Flags): string[] {
  const withValue = Object.entries(flags).filter(([, flag]) => flag.value !== undefined);
  if (withValue.length === 0) return [];
  const lines = withValue.map(([name, flag]) => {
    const pattern = flag.short === undefined ? `--${name}` : `--${name}|-${flag.short}`;
    return `        ${pattern}) ${valueWords(flag)}; COMPREPLY=($(compgen -W "$words" -- "$cur")); if [[ -n $files ]]; then COMPREPLY+=($(compgen "$files" -- "$cur")); fi; return ;;`;
  });
  return ['      case $prev in', ...lines, '      esac'];
}

function valueWords({ choices, completes }: Pick<Flag, 'choices' | 'completes'>): string {
  if (choices !== undefined) return `words='${choices.join(' ')}'`;
  return completes === undefined ? ':' : `files=${completes === 'file' ? '-f' : '-d'}`;
}

function positionalWords({ guest, positionals = [] }: Command): string {
  if (guest !== undefined) return 'files=-c';
  return positionals[0] === undefined ? ':' : valueWords(positionals[0]);
}
