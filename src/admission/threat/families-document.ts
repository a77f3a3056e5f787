/** The table of docs/threat/families.md, made of families.ts, so that the document cannot say something else. */
import { FAMILIES } from './families.ts';

export function familiesTable(): string {
  const rows = Object.entries(FAMILIES)
    .sort(([a, first], [b, second]) => second.base - first.base || (a < b ? -1 : 1))
    .map(
      ([name, { title, base, capability, explanation, remedy, why }]) =>
        `| \`${name}\` | ${base} | ${title} | ${capability === undefined ? 'nothing' : `\`${capability}\``} | ${explanation} ${remedy} | ${why} |`,
    );
  return [
    '| family | base | what | declared by | what it does, and what makes it harmless | why this base |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}
