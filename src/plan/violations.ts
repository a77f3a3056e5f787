/**
 * What of a guest's violations is recorded on this host, and what ends the run.
 */
import { type ViolationEnding, violationEnding } from '../policy/on-violation.ts';
import type { Policy } from '../policy/policy.ts';
import type { HostFacts } from './facts.ts';
import type { Findings } from './findings.ts';
import { decidePolicy } from './seccomp/policy-table.ts';

const endings: Readonly<Record<ViolationEnding, string>> = {
  none: 'attempts to get out are refused and recorded',
  escapes: 'an attempt to get out ends the run; what ordinary programs probe is recorded',
  all: 'any attempt to get out ends the run',
};

/**
 * Whether the filter hands its refusals over.
 *
 * With neither a listener nor a record a run cannot end for a violation: `explain` says so, and where a policy asks for
 * it in so many words (`onViolation: kill`), the run is refused. The calls themselves are refused all the same.
 */
export function compileViolations(policy: Policy, facts: HostFacts, findings: Findings): boolean {
  const why = hindrance(policy, facts);
  if (why === undefined) {
    findings.enforce(
      'onViolation',
      endings[violationEnding(policy)],
      ['seccomp notification, answered outside'],
      'violations',
    );
    return true;
  }
  if (policy.onViolation === 'kill') {
    findings.cannot({
      id: 'onViolation:not-recorded',
      clause: 'onViolation',
      reason: `${why.reason}: what is refused stays refused, but no run ends for it`,
      cure: why.cure,
      acceptable: true,
    });
  } else {
    findings.note(
      `onViolation: refused system calls are not recorded, and end no run: ${why.reason}`,
    );
  }
  return false;
}

function hindrance(
  { syscalls }: Policy,
  facts: HostFacts,
): { reason: string; cure: string } | undefined {
  if (facts.seccompListener === undefined) {
    return {
      reason: 'whether this kernel hands refused calls over is not known',
      cure: 'install a launcher of this release',
    };
  }
  if (facts.seccompListener !== 0) {
    return {
      reason: `this host does not hand refused calls over (errno ${facts.seccompListener} on SECCOMP_FILTER_FLAG_NEW_LISTENER)`,
      cure: 'use a kernel of 5.0 or later, and no other supervisor of system calls around Caisson',
    };
  }
  const send = decidePolicy(syscalls).find(({ name }) => name === 'sendmsg');
  return send?.decided.kind === 'allow'
    ? undefined
    : {
        reason: 'the policy denies sendmsg, with which the listener leaves the sandbox',
        cure: 'take sendmsg out of syscalls.deny',
      };
}
