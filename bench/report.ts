/** The results as Markdown. */
import { isMet, type SuiteResult, type Table } from './suite.ts';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly distribution: string;
  readonly cgroups: string;
  readonly node: string;
}

export interface Recorded extends SuiteResult {
  /** ISO day on which it was measured, and the command. */
  readonly measuredOn: string;
  readonly command: string;
  readonly machine: Machine;
}

function renderTable({ columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(columns), `|${columns.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

export function renderTargets(results: readonly SuiteResult[]): string {
  const rows = results.flatMap(({ targets }) =>
    targets.map((target) => [
      target.name,
      `${target.sense} ${target.limit} ${target.unit}`.trim(),
      target.measured === null ? 'not measured' : `${round(target.measured)} ${target.unit}`.trim(),
      target.measured === null ? `pending: ${target.note ?? ''}` : isMet(target) ? 'pass' : 'miss',
    ]),
  );
  return renderTable({ columns: ['promise', 'target', 'measured', ''], rows });
}

export function renderSuite(result: SuiteResult): string {
  return `## ${result.title}\n\n${result.method}\n\n${renderTable(result.table)}\n`;
}

export function renderMachine(machine: Machine): string {
  return (
    `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB; Linux ${machine.kernel}, ` +
    `${machine.distribution}, ${machine.cgroups}; Node ${machine.node}`
  );
}

/** Three significant digits. */
export function round(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 4));
}

export function renderDocument(results: readonly Recorded[]): string {
  const machines = Map.groupBy(results, ({ machine }) => renderMachine(machine));
  const places = [...machines].map(
    ([machine, parts]) => `- ${machine} (${parts.map(({ title }) => title).join('; ')})`,
  );
  return `# Benchmark

Written by \`npm run bench\`; do not edit. Absolute figures belong to the machine they were taken on; the ratios
are what is promised, each measured between neighbours that took turns in one run.

${places.join('\n')}

${renderTargets(results)}

![Median time of one run, by tool](benchmark.svg)

${results.map((result) => `${renderSuite(result)}\nMeasured on ${result.measuredOn} by \`${result.command}\`.`).join('\n\n')}
`;
}
