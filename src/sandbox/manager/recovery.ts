/**
 * What managers left that died without closing. Their launchers end with them and take every process along; here that is
 * waited for, and what a launcher that was killed itself could not remove is removed: control groups, changes of sandboxes
 * that nobody can go on with.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { leftOverCgroups, removeCgroup } from '../../host/left-over-cgroups.ts';
import {
  livenessOf,
  ownWorld,
  type ProcessIdentity,
  type ProcessWorld,
} from '../../host/process-identity.ts';
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
  /** `destroyed`: its processes are gone, and what was its own is removed. `adopted`: it lives on, and is somebody's. */
  readonly fate: 'destroyed' | 'adopted';
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
  readonly adopt: ((record: ManagedRecord) => Promise<boolean>) | undefined;
  /** Discards the changes that its process was at work on. @returns their directories */
  readonly discard: (manager: ManagerRecord) => Promise<string[]>;
}

/** A launcher with hundreds of sandboxes takes some hundred milliseconds to end. */
const PATIENCE_MS = 10_000;

export async function recover({ store, adopt, discard }: RecoveryOptions): Promise<Recovery> {
  const here = ownWorld();
  const managers: string[] = [];
  const sandboxes: RecoveredSandbox[] = [];
  const removed: string[] = [];
  const left: string[] = [];
  for (const manager of await store.managers()) {
    // Of another pid namespace nothing can be said: it may well live.
    if (livenessOf(manager.process, manager, here) !== 'gone') continue;
    managers.push(manager.id);
    left.push(...(await endLaunchers(manager, here)));
    for (const record of await store.list({ manager: manager.id, live: true })) {
      const fate = (await adopt?.(record)) === true ? 'adopted' : 'destroyed';
      const { id, kind, tenant, labels, state } = record;
      sandboxes.push({ id, manager: manager.id, kind, tenant, labels, was: state, fate });
    }
    // Where something of it lives on, its changes do.
    const isLost = !sandboxes.some(
      (each) => each.manager === manager.id && each.fate === 'adopted',
    );
    if (isLost) removed.push(...(await discard(manager)));
  }
  if (managers.length > 0) {
    const groups = await removeGroups();
    removed.push(...groups.removed);
    left.push(...groups.left);
  }
  // Last: if we die before, the next start finds it all again.
  for (const id of managers) await store.removeManager(id);
  return { managers, sandboxes, removed, left };
}

/** @returns what does not end, in words */
async function endLaunchers(manager: ManagerRecord, here: ProcessWorld): Promise<string[]> {
  const alive = (): ProcessIdentity[] =>
    manager.launchers.filter((each) => livenessOf(each, manager, here) === 'alive');
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
  // One that was stopped has not heard of its client's end.
  signal('SIGCONT');
  await until(() => alive().length === 0);
  signal('SIGKILL');
  await until(() => alive().length === 0);
  return alive().map(({ pid }) => `process ${pid}`);
}

/** The kernel refuses to remove a group that still holds a process: those of a killed launcher need a moment to end. */
async function removeGroups(): Promise<{ removed: string[]; left: string[] }> {
  const groups = leftOverCgroups();
  const gone = new Set<string>();
  await until(() => {
    for (const path of groups) if (!gone.has(path) && removeCgroup(path)) gone.add(path);
    return gone.size === groups.length;
  });
  return { removed: [...gone], left: groups.filter((path) => !gone.has(path)) };
}

async function until(isSo: () => boolean): Promise<void> {
  const start = performance.now();
  while (!isSo() && performance.now() - start < PATIENCE_MS) await sleep(5);
}
