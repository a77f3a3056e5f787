/** `caisson ps`: the sandboxes of this user's managers, in whatever process they are. */
import { statSync } from 'node:fs';
import { formatDuration } from '../../core/units.ts';
import { livenessOf, ownWorld } from '../../host/process-identity.ts';
import { systemClock } from '../../sandbox/manager/clock.ts';
import { defaultStateDirectory } from '../../sandbox/state-directory.ts';
import type { ManagedRecord, ManagerRecord } from '../../store/managed-record.ts';
import { SqliteManagedStore } from '../../store/sqlite-managed-store.ts';
import type { Action } from '../command.ts';

type PsFlags = { readonly all: { readonly summary: string } };

export const action: Action<PsFlags> = async ({ flags }) => {
  const { managers, records } = await read(defaultStateDirectory(), flags.all === true);
  const here = ownWorld();
  const byId = new Map(managers.map((manager) => [manager.id, manager]));
  const rows = records.map((record) => describe(record, byId.get(record.manager), here));
  const lost = rows.filter(({ live, manager }) => live && manager.state === 'gone').length;
  return {
    exit: 0,
    document: { sandboxes: rows },
    text: rows.length === 0 ? '' : table(rows),
    notes: [
      ...(rows.length === 0 ? ['no sandbox of a manager is there'] : []),
      ...(lost === 0
        ? []
        : [`${lost} of them went with their manager, which died; the next one to start cleans up`]),
    ],
  };
};

async function read(
  state: string,
  all: boolean,
): Promise<{ managers: ManagerRecord[]; records: ManagedRecord[] }> {
  if (statSync(SqliteManagedStore.fileIn(state), { throwIfNoEntry: false }) === undefined)
    return { managers: [], records: [] };
  const store = SqliteManagedStore.open(state, true);
  try {
    const [managers, records] = await Promise.all([
      store.managers(),
      store.list(all ? {} : { live: true }),
    ]);
    return { managers, records };
  } finally {
    await store.close();
  }
}

function describe(
  record: ManagedRecord,
  manager: ManagerRecord | undefined,
  here: ReturnType<typeof ownWorld>,
) {
  const { id, kind, state, tenant, labels, priority, policyDigest, createdMs, reason } = record;
  const now = systemClock.monotonicMs();
  const sameBoot = manager?.bootId === here.bootId;
  const until = record.endedMonotonicMs ?? now;
  return {
    id,
    kind,
    /** As it was last written down; `live` without a manager that is alive: gone with it. */
    state,
    live: record.endedMonotonicMs === undefined,
    tenant,
    labels,
    priority,
    policyDigest,
    createdMs,
    ...(sameBoot ? { ageMs: Math.round(until - record.createdMonotonicMs) } : {}),
    ...(sameBoot && record.deadlineMonotonicMs !== undefined
      ? { remainingMs: Math.max(0, Math.round(record.deadlineMonotonicMs - until)) }
      : {}),
    ...(reason === undefined ? {} : { reason }),
    manager: {
      id: record.manager,
      ...(manager === undefined
        ? { state: 'gone' as const }
        : { pid: manager.process.pid, state: livenessOf(manager.process, manager, here) }),
    },
  };
}

function table(rows: readonly ReturnType<typeof describe>[]): string {
  const lines = rows.map(({ id, state, live, kind, ageMs, tenant, manager, labels }) => [
    id,
    live && manager.state === 'gone' ? `${state} (gone)` : state,
    kind,
    ageMs === undefined ? '-' : formatDuration(Math.max(1000, Math.floor(ageMs / 1000) * 1000)),
    tenant === '' ? '-' : printable(tenant),
    manager.state === 'gone' ? '-' : String(manager.pid),
    Object.entries(labels)
      .map(([name, value]) => `${printable(name)}=${printable(value)}`)
      .join(' '),
  ]);
  const all = [['ID', 'STATE', 'KIND', 'AGE', 'TENANT', 'MANAGER', 'LABELS'], ...lines];
  const widths = (all[0] ?? []).map((_, i) => Math.max(...all.map((line) => line[i]?.length ?? 0)));
  return all
    .map(
      (line) =>
        `${line
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** Names come from callers: nothing of them may steer a terminal. */
function printable(text: string): string {
  return text.replaceAll(/[\p{C}\p{Z}]/gu, '?');
}
