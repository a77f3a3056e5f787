/**
 * What `caisson top` shows, as lines of text: pure, so that it is tested without a terminal.
 */
import { formatDuration } from '../core/units.ts';
import type { MachineSandbox, MachineView } from '../observe/monitor/machine-sandboxes.ts';

export const SORT_KEYS = { c: 'cpu', m: 'memory', p: 'processes', n: 'network' } as const;

export type SortKey = (typeof SORT_KEYS)[keyof typeof SORT_KEYS];

export interface TopOptions {
  readonly sort: SortKey;
  /** Absent: as wide and long as it gets. */
  readonly columns?: number;
  readonly rows?: number;
}

/** Before the command, where a manager has named any. */
const NAMED = ['ID', 'STATE', 'TENANT', 'LABELS'];
const HEADINGS = [
  'PID',
  'CPU%',
  'MEMORY',
  'PROCS',
  'READ/s',
  'WRITE/s',
  'NET/s',
  'AGE',
  'OWNER',
  'COMMAND',
];
/** Those before the owner are numbers, and stand to the right. */
const NUMBERS = 8;

export function renderTop(view: MachineView, { sort, columns, rows }: TopOptions): string[] {
  const { sandboxes, idle } = view;
  const isNamed = sandboxes.some(({ managed }) => managed !== undefined);
  const headings = isNamed ? HEADINGS.toSpliced(-1, 0, ...NAMED) : HEADINGS;
  const cells = sorted(sandboxes, sort).map((each) =>
    isNamed ? cellsOf(each).toSpliced(-1, 0, ...namesOf(each)) : cellsOf(each),
  );
  const room = rows === undefined ? cells.length : Math.max(0, rows - 3);
  const shown = [headings, ...cells.slice(0, room)];
  const widths = headings.map((_, i) => Math.max(...shown.map((line) => line[i]?.length ?? 0)));
  const lines = [
    summary(view),
    ...shown.map((line) =>
      line
        .map((cell, i) =>
          i < NUMBERS ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    ),
    idle === 0
      ? ''
      : `${idle} more ${idle === 1 ? 'stands' : 'stand'} ready, or ${idle === 1 ? 'is' : 'are'} open with nothing running`,
  ];
  return lines.map((line) => (columns === undefined ? line : line.slice(0, columns)));
}

function summary({ sandboxes, launchers }: MachineView): string {
  const cores = sandboxes.reduce((sum, { rates }) => sum + (rates?.cpuCores ?? 0), 0);
  const memory = sandboxes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  const apart = sandboxes.filter(({ source }) => source === 'proc').length;
  return [
    `${count(sandboxes.length, 'sandbox', 'sandboxes')} of ${count(launchers, 'launcher', 'launchers')}`,
    `${cores.toFixed(2)} cores`,
    short(memory),
    ...(apart === 0 ? [] : [`${apart} without cgroups (~: counted by its processes)`]),
  ].join(' · ');
}

function sorted(sandboxes: readonly MachineSandbox[], sort: SortKey): MachineSandbox[] {
  const value = ({ rates, memoryBytes, processes }: MachineSandbox): number => {
    if (sort === 'memory') return memoryBytes;
    if (sort === 'processes') return processes;
    return (sort === 'cpu' ? rates?.cpuCores : rates?.networkBytesPerSecond) ?? 0;
  };
  return sandboxes.toSorted((a, b) => value(b) - value(a) || a.pid - b.pid);
}

function cellsOf({
  pid,
  rates,
  memoryBytes,
  processes,
  ageMs,
  owner,
  command,
  source,
}: MachineSandbox): string[] {
  return [
    String(pid),
    rates === undefined ? '-' : (rates.cpuCores * 100).toFixed(1),
    `${source === 'proc' ? '~' : ''}${short(memoryBytes)}`,
    String(processes),
    rateText(rates?.readBytesPerSecond),
    rateText(rates?.writtenBytesPerSecond),
    rateText(rates?.networkBytesPerSecond),
    formatDuration(Math.max(1000, Math.floor(ageMs / 1000) * 1000)),
    `${owner.pid} ${printable(owner.command[0]?.split('/').at(-1) ?? '')}`,
    printable(command.join(' ')),
  ];
}

function namesOf({ managed }: MachineSandbox): string[] {
  if (managed === undefined) return NAMED.map(() => '-');
  const { id, state, tenant, labels } = managed;
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return [id, state, printable(tenant || '-'), printable(pairs.join(' ') || '-')];
}

function rateText(bytes: number | undefined): string {
  return bytes === undefined ? '-' : short(bytes);
}

/** Three digits and a unit of 1024. */
function short(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power > 0 && value < 100 ? value.toFixed(1) : Math.round(value)}${'BKMGT'[power]}`;
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** Guests choose their command lines: nothing of them may steer a terminal. */
function printable(text: string): string {
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
}
