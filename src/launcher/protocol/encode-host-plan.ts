/**
 * A host plan as bytes (protocol/PROTOCOL.md, "Host plan"); read in C by native/launcher/plan.c.
 *
 *   "CAISHOST" · u32 version · u32 length of the record · record
 */
import type { ChildPlan } from '../../plan/plan.ts';
import { PLAN_VERSION, writeCgroup, writeLimits, writeRlimit } from './encode-plan.ts';
import { FieldWriter } from './fields.ts';

const PLAN_HEADER = 16;

/** Throws PLAN_INVALID when a value does not fit its field. */
export function encodeHostPlan(plan: ChildPlan): Buffer {
  const writer = new FieldWriter(PLAN_HEADER, 'PLAN_INVALID');
  writer.u32(1, plan.noNewPrivs ? 1 : 0, 'no_new_privs');
  for (const rlimit of plan.rlimits) writeRlimit(writer, 2, rlimit);
  if (plan.cgroup !== undefined) writeCgroup(writer, 3, plan.cgroup);
  writeLimits(writer, 4, plan.limits);
  if (plan.processes !== undefined) writer.u64(5, plan.processes, 'process limit');
  const bytes = writer.finish();
  bytes.write('CAISHOST', 0, 'latin1');
  bytes.writeUInt32LE(PLAN_VERSION, 8);
  bytes.writeUInt32LE(bytes.length - PLAN_HEADER, 12);
  return bytes;
}
