/** The suite as a page: `node test/conformance/table.ts > docs/conformance.md`. */
import { cases } from './cases.ts';
import { skips } from './skips.ts';
import { walls } from './walls.ts';

export function conformancePage(): string {
  const names = walls.map(({ name }) => name);
  const reasons: string[] = [];
  const rows = Object.entries(cases).map(([name, { kind }]) => {
    const cells = names.map((wall) => {
      const reason = skips[name]?.[wall];
      if (reason === undefined) return 'yes';
      if (!reasons.includes(reason)) reasons.push(reason);
      return `no (${reasons.indexOf(reason) + 1})`;
    });
    return `| ${name} | ${kind} | ${cells.join(' | ')} |`;
  });
  return [
    '# What every wall does alike',
    '',
    'One suite, `test/conformance/`, runs each case below against each wall. No wall may skip a case of kind `core`; one of',
    'kind `isolation` may be skipped by level `basic` alone, which is there for own code and hides nothing.',
    '',
    `| case | kind | ${names.join(' | ')} |`,
    `|---|---|${names.map(() => '---|').join('')}`,
    ...rows,
    '',
    ...reasons.map((reason, index) => `${index + 1}. ${reason}.`),
    '',
  ].join('\n');
}

if (import.meta.main) process.stdout.write(conformancePage());
