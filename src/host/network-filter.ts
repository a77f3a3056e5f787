/**
 * Doctor's row on what `network: filtered` needs. Without it only policies that ask for that are refused.
 */
import type { HostFacts } from '../plan/facts.ts';
import { nameOf } from './container-cure.ts';
import type { DoctorFinding } from './doctor.ts';
import type { Surroundings } from './surroundings.ts';

const modules = 'modprobe -a nf_tables nft_tproxy nft_reject_inet';

export function networkFilter(facts: HostFacts, where: Surroundings): DoctorFinding {
  const of = 'filtered network';
  const errno = facts.networkFilterErrno;
  if (errno === 0) return { of, state: 'ok', detail: 'nftables with tproxy works in a sandbox' };
  if (facts.userNamespace !== 0 || facts.otherNamespaces !== 0) {
    return { of, state: 'weaker', detail: 'not tried, since namespaces do not work' };
  }
  if (errno === undefined) return { of, state: 'weaker', detail: 'not tried by this launcher' };
  const detail = `network: filtered is refused (errno ${errno})`;
  if (where.container !== undefined) {
    return {
      of,
      state: 'weaker',
      detail,
      cause: `${nameOf(where.container)} forbids it inside its containers, or its host has not loaded the modules`,
      cure: `on the host, as root: ${modules}`,
    };
  }
  return {
    of,
    state: 'weaker',
    detail,
    cause: 'the kernel has no nftables with tproxy and reject, or has not loaded them',
    cure: `${facts.euid === 0 ? '' : 'sudo '}${modules}`,
  };
}
