/**
 * What managers left that died without closing: found, destroyed, and reported, each.
 *
 * Nothing is adopted. A launcher ends with its client and takes every process along, so that nothing of a dead manager
 * lives on that could be taken over; a wall that outlives its client (containers, a service) will have to bring its own
 * answer. So here the end of every launcher and of every sandbox's init is waited for and brought about, and what a
 * launcher that was killed itself could not remove is removed: control groups, changes that nobody can go on with.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Observer } from '../../core/ports.ts';
import { removeLeftOverCgroups } from '../../host/left-over-cgroups.ts';
import { livenessOf, ownWorld, type ProcessIdentity } from '../../host/process-identity.ts';
import type { ManagedRecord, ManagedStore, ManagerRecord } from '../../store/managed-record.ts';
import type { SandboxState } from './states.ts';

/** A sandbox of a manager that died. */
export interface RecoveredSandbox {
  readonly id: string;
  /** The manager that died. */
  readonly manager: string;
  readonly kind: 'run' | 'sandbox';
  readonly tenant: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What it was when its manager died. */
  readonly was: SandboxState;
  /** `destroyed`: nothing of it runs, and what was its own is removed. `left`: something of its manager does not end. */
  readonly fate: 'destroyed' | 'left';
  /** For whoever asks what became of it. */
  readonly reason: string;
  /** As its manager wrote it last. */
  readonly record: ManagedRecord;
}

export interface Recovery {
  /** Managers that were found dead. */
  readonly managers: readonly string[];
  readonly sandboxes: readonly RecoveredSandbox[];
  /** Control groups and directories of changes that were removed, absolute. */
  readonly removed: readonly string[];
  /** What could not be removed, absolute paths, or `process N`; `caisson clean` tries again. */
  readonly left: readonly string[];
}

export interface RecoveryOptions {
  readonly store: ManagedStore;
  /** Discards the changes that its process was at work on. @returns their directories */
  readonly discard: (manager: ManagerRecord) => Promise<string[]>;
  /** Told of the end of each sandbox. */
  readonly observer: Observer;
  /** Settles when what it was told is recorded. */
  readonly recorded: () => Promise<void>;
  /** For each thing that does not end at once; default 10 s: a launcher with hundreds of sandboxes takes some hundred ms. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 10_000;

export async function recover(options: RecoveryOptions): Promise<Recovery> {
  const { store, discard, observer, recorded, patienceMs = PATIENCE_MS } = options;
  const here = ownWorld();
  const managers: string[] = [];
  const sandboxes: RecoveredSandbox[] = [];
  const removed: string[] = [];
  const left: string[] = [];
  for (const manager of await store.managers()) {
    // Of another pid namespace nothing can be said: it may well live.
    if (livenessOf(manager.process, manager, here) !== 'gone') continue;
    managers.push(manager.id);
    const records = await store.list({ manager: manager.id, live: true });
    const inits = records.flatMap(({ process }) => process ?? []);
    const alive = (): ProcessIdentity[] =>
      [...manager.launchers, ...inits].filter(
        (each) => livenessOf(each, manager, here) === 'alive',
      );
    const stays = await end(alive, patienceMs);
    left.push(...stays);
    const fate = stays.length === 0 ? 'destroyed' : 'left';
    for (const record of records) {
      const { id, kind, tenant, labels, state: was, sandbox } = record;
      const left = fate === 'left' ? '; something of it does not end' : '';
      const reason = `its manager ended while it was ${was}${left}`;
      sandboxes.push({ id, manager: manager.id, kind, tenant, labels, was, fate, reason, record });
      observer({
        kind: 'state',
        id,
        ...(sandbox === undefined ? {} : { sandbox }),
        ...(tenant === '' ? {} : { tenant }),
        state: 'Failed',
        reason,
      });
    }
    removed.push(...(await discard(manager)));
  }
  if (managers.length > 0) {
    const groups = await removeLeftOverCgroups(patienceMs);
    removed.push(...groups.removed);
    left.push(...groups.left);
  }
  // Last: if we die before, the next start finds it all again.
  await recorded();
  for (const id of managers) await store.removeManager(id);
  return { managers, sandboxes, removed, left };
}

/** @returns what does not end, in words */
async function end(alive: () => ProcessIdentity[], patienceMs: number): Promise<string[]> {
  const signal = (name: 'SIGCONT' | 'SIGKILL'): void => {
    // Just seen to be the one: its start time is part of what was compared.
    for (const { pid } of alive()) {
      try {
        process.kill(pid, name);
      } catch {
        // It ended in this moment, or it is not ours to end; the next look tells.
      }
    }
  };
  // A launcher that was stopped has not heard of its client's end.
  signal('SIGCONT');
  await until(() => alive().length === 0, patienceMs);
  signal('SIGKILL');
  await until(() => alive().length === 0, patienceMs);
  return alive().map(({ pid }) => `process ${pid}`);
}

async function until(isSo: () => boolean, patienceMs: number): Promise<void> {
  const start = performance.now();
  while (!isSo() && performance.now() - start < patienceMs) await sleep(5);
}
