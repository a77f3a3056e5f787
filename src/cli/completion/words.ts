/**
 * What the completions of all shells offer.
 */
import type { Command, Flags } from '../command.ts';

/** The first words of all commands, without doubles. */
export function topWords(commands: readonly Command[]): string[] {
  return [...new Set(commands.map(({ name }) => name.split(' ')[0] ?? ''))];
}

/** What may stand after the first words of commands of several; those with the fewest words before go first. */
export function groups(
  commands: readonly Command[],
): { group: string; names: string[]; depth: number }[] {
  const byGroup = new Map<string, Set<string>>();
  for (const { name } of commands) {
    const words = name.split(' ');
    for (let depth = 1; depth < words.length; depth++) {
      const group = words.slice(0, depth).join(' ');
      const names = byGroup.get(group) ?? new Set();
      byGroup.set(group, names.add(words[depth] ?? ''));
    }
  }
  return [...byGroup]
    .map(([group, names]) => ({ group, names: [...names], depth: group.split(' ').length }))
    .sort((a, b) => a.depth - b.depth);
}

export function flagWords(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([name, { negatable }]) =>
    negatable ? [`--${name}`, `--no-${name}`] : [`--${name}`],
  );
}
