import { seccompWithoutListener } from '../checks.ts';
import { allow, guarded, refuse, type SyscallGroup } from '../rule.ts';

const foldsInto = 'each further filter or domain can only take away';

/** Facts about the system, and the guest's own further confinement. */
export const system: SyscallGroup = {
  uname: allow('kernel release and the host name of the sandbox'),
  sysinfo: allow('memory and load; runtimes size their heaps by it'),
  getrandom: allow('randomness'),
  seccomp: guarded(
    seccompWithoutListener,
    `${foldsInto}; browsers and build tools sandbox themselves`,
  ),
  landlock_create_ruleset: allow(foldsInto),
  landlock_add_rule: allow(foldsInto),
  landlock_restrict_self: allow(foldsInto),
  lsm_get_self_attr: refuse('ENOSYS', 'tells about the security modules of the host'),
  lsm_set_self_attr: refuse('ENOSYS', 'changes the security label of the process'),
  lsm_list_modules: refuse('ENOSYS', 'tells about the security modules of the host'),
  statmount: refuse('ENOSYS', 'tells where on the host a mount comes from'),
  listmount: refuse('ENOSYS', 'tells about mounts; see statmount'),
  listns: refuse('ENOSYS', 'tells about namespaces'),
  sethostname: refuse('EPERM', 'needs a capability; changes only the own uts namespace'),
  setdomainname: refuse('EPERM', 'needs a capability; changes only the own uts namespace'),
  vhangup: refuse('EPERM', 'needs a capability; hangs up a terminal'),
};
