/** For tests of what a launcher sees in which order: its processes are made to wait, and go on when the test says so. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { PlanHandle } from '../../src/launcher/client.ts';
import type { LauncherSandbox } from '../../src/launcher/launcher-sandbox.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import type { Job, KindPlan } from '../../src/plan/plan.ts';
import { Wall } from '../escape/harness.ts';
import { statOf } from '../proc-stat.ts';
import { until } from '../until.ts';

export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

export function descendantsOf(pid: number): number[] {
  try {
    return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
  } catch {
    return []; // it went meanwhile
  }
}

/** Those of that name below it. */
export function named(name: string, ancestor: number): number[] {
  return descendantsOf(ancestor).filter((pid) => statOf(pid)?.name === name);
}

/** Whether it waits for somebody: what it had to do before is done. */
export function isAsleep(pid: number | undefined): boolean {
  return pid !== undefined && statOf(pid)?.state === 'S';
}

/** What is left of a run before may have gone meanwhile. */
export function signal(pids: readonly number[], name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
  for (const pid of pids)
    try {
      process.kill(pid, name);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
    }
}

export interface Ungrouped {
  readonly wall: Wall;
  readonly launcher: number;
  readonly kind: KindPlan;
  readonly plan: PlanHandle;
  /** Its nursery, and whoever that is forked from. */
  readonly helpers: readonly number[];
  job(script: string, more?: Partial<Job>): Job;
  open(): Promise<{ sandbox: LauncherSandbox; init: number }>;
}

/** A plan without groups: one nursery makes all of its sandboxes. */
export async function ungrouped(wall: Wall): Promise<Ungrouped> {
  const { kind, job } = wall.prepare({ argv: ['/bin/sh', '-c', ':'] });
  const { cgroup: _, ...plain } = kind;
  const plan = wall.client.preparePlan(encodePlan(plain));
  await plan.ready;
  await wall.client.run(plan, job);
  const launcher = wall.client.pid ?? 0;
  await until('nobody is left of the first run', () => childrenOf(launcher).length === 2);
  return {
    wall,
    launcher,
    kind: plain,
    plan,
    helpers: childrenOf(launcher),
    job: (script, more) => ({ ...job, argv: ['/bin/sh', '-c', script], ...more }),
    open: async () => {
      const sandbox = wall.client.openSandbox(plan, { ...job, argv: [] });
      return { sandbox, init: await sandbox.opened };
    },
  };
}

export const openUngrouped = async (): Promise<Ungrouped & AsyncDisposable> => {
  const wall = await Wall.open();
  return { ...(await ungrouped(wall)), [Symbol.asyncDispose]: () => wall.client.close() };
};
