/**
 * Secrets that the proxy puts into requests: where their values go, and in what memory they lie meanwhile.
 */
import type { NetworkPolicy } from '../policy/policy.ts';
import type { HostFacts } from './facts.ts';
import type { Findings } from './findings.ts';
import type { Unenforceable } from './plan.ts';

/** Id of what cannot be had where values of secrets would lie in ordinary memory. */
export const NO_SECRET_MEMORY = 'network.secrets:no-secret-memory';

export function explainSecrets(
  { intercept, secrets = [] }: NetworkPolicy,
  { secretMemoryErrno: errno }: HostFacts,
  findings: Findings,
): void {
  if (intercept === true) {
    findings.enforce(
      'network.intercept',
      "TLS is opened with an authority of this sandbox's own; the host of each request must be the one of its connection",
      ['egress proxy', 'certificate authority of one sandbox', 'upstream certificates checked'],
      'network-filtered',
    );
  }
  for (const { name, hosts } of secrets) {
    findings.enforce(
      'network.secrets',
      `${name}: a placeholder inside, its value in headers to ${hosts.join(', ')} alone`,
      ['egress proxy', 'environment made anew for each job'],
      'network-filtered',
    );
  }
  if (secrets.length === 0) return;
  if (errno !== 0) findings.cannot(noSecretMemory(errno));
  findings.enforce(
    'network.secrets',
    errno === 0
      ? 'our copies of values lie in memory that no other process reads, root neither, and are overwritten at the end; elsewhere only while one is written or looked for (docs/side-channels.md)'
      : 'our copies of values lie in memory that is neither swapped nor dumped, and are overwritten at the end; root can read them',
    ['a process that holds them', errno === 0 ? 'memfd_secret' : 'mlock', 'PR_SET_DUMPABLE'],
    'secret-holder',
  );
}

function noSecretMemory(errno: number | undefined): Unenforceable {
  const clause = 'network.secrets';
  const isKnown = errno !== undefined;
  return {
    id: NO_SECRET_MEMORY,
    clause,
    reason: isKnown
      ? `this host gives no memory that no other process reads (memfd_secret: errno ${errno}); values would lie in locked memory`
      : 'whether this host has memory that no other process reads (memfd_secret) is not known',
    cure: isKnown
      ? 'boot a kernel of 5.14 or later with secretmem.enable=1 (the default since 6.5), let containers call memfd_secret, raise a low RLIMIT_MEMLOCK; or accept locked memory'
      : 'install a launcher of this release; or accept locked memory',
    acceptable: true,
  };
}
