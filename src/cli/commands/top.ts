/** `caisson top`: the sandboxes of this machine that we may look at, whichever process made them. Reads only. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CaissonError } from '../../core/error.ts';
import { parseDuration } from '../../core/units.ts';
import { MachineSandboxes, type MachineView } from '../../observe/monitor/machine-sandboxes.ts';
import { ManagedNames } from '../../observe/monitor/managed-names.ts';
import { defaultStateDirectory } from '../../sandbox/state-directory.ts';
import type { Action, Flag } from '../command.ts';
import { hasTerminal } from '../terminal.ts';
import { renderTop, SORT_KEYS, type SortKey } from '../top-view.ts';

type Valued = Flag & { readonly value: string };
type TopFlags = { readonly once: Flag; readonly interval: Valued; readonly sort: Valued };

const EVERY_MS = 1000;
const LEAST_MS = 100;
/** Between the two readings of --once: a rate is a difference. */
const ONCE_MS = 250;

export const action: Action<TopFlags> = async ({ flags, json }) => {
  const sort = sortOf(flags.sort);
  const everyMs = intervalOf(flags.interval);
  const names = new ManagedNames(defaultStateDirectory());
  const machine = new MachineSandboxes(names);
  let unknown: string | undefined;
  // A store that cannot be read takes the names alone.
  const read = async (): Promise<MachineView> => {
    await names.refresh().catch((error: Error) => {
      unknown = error.message;
    });
    return machine.read();
  };
  if (!json && flags.once !== true && hasTerminal()) {
    const { showTop } = await import('../top-screen.ts');
    await read();
    const next = (): MachineView => {
      names.refresh().catch(() => {});
      return machine.read();
    };
    await showTop(next, everyMs ?? EVERY_MS, sort);
    await names.close();
    return { exit: 0, document: {} };
  }
  await read();
  await sleep(everyMs ?? ONCE_MS);
  const view = await read();
  await names.close();
  return {
    exit: 0,
    document: view,
    text: `${renderTop(view, { sort })
      .filter((line) => line !== '')
      .join('\n')}\n`,
    notes: notesOf(view, unknown),
  };
};

function notesOf({ sandboxes }: MachineView, unknown: string | undefined): string[] {
  return [
    ...(sandboxes.length === 0 ? ['no sandbox runs here that we may look at'] : []),
    ...(unknown === undefined ? [] : [`what managers call them is not known: ${unknown}`]),
  ];
}

function sortOf(name: string | undefined): SortKey {
  const found = Object.values(SORT_KEYS).find((key) => key === (name ?? 'cpu'));
  if (found !== undefined) return found;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: `it cannot be sorted by ${name}`,
    hint: `one of ${Object.values(SORT_KEYS).join(', ')}`,
  });
}

function intervalOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms >= LEAST_MS && ms <= 3_600_000) return ms;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: `an interval of ${text} cannot be`,
    hint: `give ${LEAST_MS}ms to 1h`,
  });
}
