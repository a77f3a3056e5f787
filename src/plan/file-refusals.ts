/**
 * Whether refused file accesses are recorded on this host, and from where.
 */
import type { Policy } from '../policy/policy.ts';
import type { HostFacts } from './facts.ts';
import type { Findings } from './findings.ts';

/** The ABI that brought the flags with which a domain's refusals are logged across execve (Linux 6.15). */
const LOG_ABI = 7;
const EOPNOTSUPP = 95;

/**
 * From where they come, if from anywhere. Recording refuses nothing and allows nothing, so where it cannot be had that is
 * said and the run goes on.
 *
 * @param listens whether the filter hands calls over on this host
 */
export function compileFileRefusals(
  policy: Policy,
  facts: HostFacts,
  listens: boolean,
  findings: Findings,
): 'audit' | 'observe' | undefined {
  const { fileRefusals } = policy;
  if (fileRefusals === 'audit') return compileAudit(facts, findings);
  if (fileRefusals === 'observe') return compileObserver(listens, facts, findings);
  const ways = hindrance(facts) === undefined ? 'audit, or observe,' : 'observe';
  findings.note(
    `violations: refused file accesses are not recorded; fileRefusals: ${ways} records them`,
  );
  return undefined;
}

function compileAudit(facts: HostFacts, findings: Findings): 'audit' | undefined {
  const why = hindrance(facts);
  findings.note(
    why === undefined
      ? 'fileRefusals: what Landlock refuses is recorded, out of the audit log of this host, which gets a record for each: a guest can write much to it. What the mounts hide or hold read-only is refused before Landlock is asked, and is not in it. Costs 20 ms at the end of each run'
      : `fileRefusals: refused file accesses are not recorded: ${why}; fileRefusals: observe needs no audit log`,
  );
  return why === undefined ? 'audit' : undefined;
}

function hindrance({ auditEnabled, auditRead, landlockAbi }: HostFacts): string | undefined {
  if (landlockAbi < LOG_ABI) {
    return `this kernel's Landlock (ABI ${landlockAbi}) logs nothing; ABI ${LOG_ABI} (Linux 6.15) does`;
  }
  if (auditEnabled !== true) {
    const state = auditEnabled === false ? 'is off here' : 'cannot be asked for here';
    return `the kernel tells of them through its audit log alone, which ${state} and which Caisson never turns on`;
  }
  if (auditRead === EOPNOTSUPP) {
    return 'the audit log of this host ends the machine when it overflows (auditctl -f 2)';
  }
  return auditRead === 0
    ? undefined
    : `the audit log is not ours to read (errno ${auditRead ?? 'not known'}; CAP_AUDIT_READ)`;
}

function compileObserver(
  listens: boolean,
  facts: HostFacts,
  findings: Findings,
): 'observe' | undefined {
  const works = listens && letsCallsGoOn(facts);
  findings.note(
    works
      ? 'fileRefusals: each open, execution and change of a file by name is looked at before it goes on, and what cannot succeed is recorded. Nothing is decided by it: a guest can deceive this record, and gains nothing. Costs some 10 to 100 µs for each such call'
      : 'fileRefusals: refused file accesses are not recorded: this host hands no system calls over, or none that could go on (Linux 5.5)',
  );
  return works ? 'observe' : undefined;
}

/** SECCOMP_USER_NOTIF_FLAG_CONTINUE, without which a call that was looked at could never go on. */
export function letsCallsGoOn({ kernel }: HostFacts): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  return major > 5 || (major === 5 && minor >= 5);
}
