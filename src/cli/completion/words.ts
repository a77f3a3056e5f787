/**
 * What the completions of all shells offer.
 */
import type { Command, Flags } from '../command.ts';

/** The first words of all commands, without doubles. */
export function topWords(commands: readonly Command[]): string[] {
  return [...new Set(commands.map(({ name }) => name.split(' ')[0] ?? ''))];
}

/** Commands of two words, by their first. */
export function groups(commands: readonly Command[]): { group: string; names: string[] }[] {
  const byGroup = new Map<string, string[]>();
  for (const { name } of commands) {
    const [group = '', inner] = name.split(' ');
    if (inner !== undefined) byGroup.set(group, [...(byGroup.get(group) ?? []), inner]);
  }
  return [...byGroup].map(([group, names]) => ({ group, names }));
}

export function flagWords(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([name, { negatable }]) =>
    negatable ? [`--${name}`, `--no-${name}`] : [`--${name}`],
  );
}
