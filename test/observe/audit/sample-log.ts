/** Logs to try things on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObservedEvent } from '../../../src/core/ports.ts';
import { AuditLog } from '../../../src/observe/audit/audit-log.ts';
import type { AuditOptions } from '../../../src/observe/audit/audit-options.ts';
import type { Verification } from '../../../src/observe/audit/finding.ts';
import { readPublicKey } from '../../../src/observe/audit/signing-key.ts';
import { type VerifyOptions, verifyLog } from '../../../src/observe/audit/verify-log.ts';

export interface Room extends Disposable {
  readonly root: string;
  /** A log's directory; `name` tells several of one key apart. */
  directory(name?: string): string;
  readonly key: string;
  open(options?: Partial<AuditOptions>): Promise<AuditLog>;
  verify(options?: Partial<VerifyOptions>): Verification;
}

export function makeRoom(): Room {
  const root = mkdtempSync(join(tmpdir(), 'caisson-audit-'));
  const key = join(root, 'key');
  const directory = (name = 'log'): string => join(root, name);
  return {
    root,
    directory,
    key,
    open: (options = {}) => AuditLog.open({ directory: directory(), key, ...options }),
    verify: (options = {}) =>
      verifyLog({ path: directory(), key: readPublicKey(`${key}.pub`), ...options }),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Events of every length, some with what a line must not hold as it is. */
export function event(n: number): ObservedEvent {
  const id = `run_${String(n).padStart(32, '0')}`;
  if (n % 5 === 0) return { kind: 'started', id, argv: ['sh', '-c', `echo ${n} | "\n\\"`] };
  if (n % 5 === 1) return { kind: 'refused', id, code: 'UNENFORCEABLE', message: 'näin ei käy' };
  if (n % 5 === 2) return { kind: 'limit', id, tenant: 'a|b', limit: 'memory' };
  if (n % 5 === 3) return { kind: 'destroyed', id, sandbox: 'sandbox_1', leftBehind: n };
  const details = { bytes: n, note: 'x'.repeat(n % 97) };
  return {
    kind: 'network',
    id,
    target: 'a.example:443/tcp',
    allowed: false,
    rule: 'deny',
    details,
  };
}

export async function fill(log: AuditLog, count: number, from = 0): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, n) => log.append(event(from + n))));
}
