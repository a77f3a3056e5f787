/**
 * What is remembered of managers and their sandboxes, and the port behind which it is kept: SQLite here, a database server
 * for many machines later. So its methods are asynchronous although SQLite's are not.
 */
import * as z from 'zod/mini';

/** `Initializing`: waiting for room, or being made. The last four are final. */
export const SANDBOX_STATES = [
  'Initializing',
  'Running',
  'Paused',
  'Completed',
  'Failed',
  'TimedOut',
  'Killed',
] as const;

export type SandboxState = (typeof SANDBOX_STATES)[number];

const identity = z.strictObject({
  pid: z.int().check(z.describe('Number of the process')),
  startTime: z.string().check(z.describe('When it started, in clock ticks since boot')),
});

export const managerRecordSchema = z.strictObject({
  id: z.string().check(z.describe('UUIDv7')),
  process: identity.check(z.describe('The process that holds the manager')),
  bootId: z.string().check(z.describe('Boot of the kernel that the numbers below belong to')),
  pidNamespace: z.string().check(z.describe('Pid namespace that they belong to')),
  launchers: z.array(identity).check(z.describe('Its launchers: they end with it')),
  openedMs: z.number().check(z.describe('Wall clock, Unix ms; to be shown, never reckoned with')),
});

export type ManagerRecord = z.infer<typeof managerRecordSchema>;

export const managedRecordSchema = z.strictObject({
  id: z.string().check(z.describe('UUIDv7')),
  manager: z.string().check(z.describe('Id of its manager')),
  kind: z.enum(['run', 'sandbox']).check(z.describe('One command, or one that stays')),
  state: z.enum(SANDBOX_STATES).check(z.describe('State')),
  tenant: z.string().check(z.describe('On whose account; empty: nobody was named')),
  labels: z.record(z.string(), z.string()).check(z.describe('Given by the caller')),
  priority: z.int().check(z.describe('−100 to 100')),
  policyDigest: z.string().check(z.describe('Policy')),
  sandbox: z
    .optional(z.string())
    .check(z.describe('Id of the sandbox, or of the run, in audit, events and live usage')),
  process: z
    .optional(identity)
    .check(z.describe('Its init, in the manager’s boot and pid namespace, once it was looked at')),
  createdMs: z.number().check(z.describe('Wall clock, Unix ms; to be shown, never reckoned with')),
  createdMonotonicMs: z.number().check(z.describe('CLOCK_MONOTONIC, ms since boot')),
  startedMonotonicMs: z.optional(z.number()).check(z.describe('When it was given its room')),
  endedMonotonicMs: z.optional(z.number()).check(z.describe('When its room was free again')),
  deadlineMonotonicMs: z.optional(z.number()).check(z.describe('When its time to live ends')),
  reason: z.optional(z.string()).check(z.describe('Why it is in this state, in a line')),
});

export type ManagedRecord = z.infer<typeof managedRecordSchema>;

export interface ManagedStore {
  putManager(manager: ManagerRecord): Promise<void>;
  /** Its sandboxes are forgotten with it. */
  removeManager(id: string): Promise<void>;
  managers(): Promise<ManagerRecord[]>;
  /** Written whole, over an earlier one with the same id. */
  put(record: ManagedRecord): Promise<void>;
  /** As {@link put}, of what nobody waits for: within milliseconds, together with others, and only what came last. */
  putSoon(record: ManagedRecord): Promise<void>;
  /** Oldest first. Default: of every manager, also those that have ended. */
  list(filter?: { readonly manager?: string; readonly live?: boolean }): Promise<ManagedRecord[]>;
  /** Forgets all of a manager's that have ended but the latest `keep`. */
  prune(manager: string, keep: number): Promise<void>;
  close(): Promise<void>;
}
