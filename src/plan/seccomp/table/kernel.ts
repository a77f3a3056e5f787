import { floor, type SyscallGroup } from '../rule.ts';

const mountApi = 'the mounts are the wall; whoever may change them is outside of it';
const rings = 'requests go past the filter, and it has a long history of faults';
const moduleReason = 'loads code into the kernel';
const handle = 'a handle opens a file past the mount namespace (CVE-2014-9357)';
const keys = 'keyrings are shared between namespaces';
const host = 'belongs to the whole host';

/** The floor: what no policy can open. */
export const kernel: SyscallGroup = {
  mount: floor('EPERM', mountApi),
  umount2: floor('EPERM', mountApi),
  pivot_root: floor('EPERM', mountApi),
  move_mount: floor('EPERM', mountApi),
  open_tree: floor('EPERM', mountApi),
  open_tree_attr: floor('EPERM', mountApi),
  fsopen: floor('EPERM', mountApi),
  fsconfig: floor('EPERM', mountApi),
  fsmount: floor('EPERM', mountApi),
  fspick: floor('EPERM', mountApi),
  mount_setattr: floor('EPERM', mountApi),
  bpf: floor('EPERM', 'programs that run in the kernel'),
  perf_event_open: floor('EPERM', 'observes the whole machine, with a long history of faults'),
  io_uring_setup: floor('ENOSYS', rings),
  io_uring_enter: floor('ENOSYS', rings),
  io_uring_register: floor('ENOSYS', rings),
  init_module: floor('EPERM', moduleReason),
  finit_module: floor('EPERM', moduleReason),
  delete_module: floor('EPERM', 'unloads code from the kernel'),
  kexec_load: floor('EPERM', 'replaces the kernel'),
  kexec_file_load: floor('EPERM', 'replaces the kernel'),
  reboot: floor('EPERM', host),
  swapon: floor('EPERM', host),
  swapoff: floor('EPERM', host),
  acct: floor('EPERM', host),
  quotactl: floor('EPERM', host),
  quotactl_fd: floor('EPERM', host),
  syslog: floor('EPERM', "reads the kernel's log, with addresses and what other users do"),
  lookup_dcookie: floor('EPERM', 'reads paths of the whole host'),
  name_to_handle_at: floor('EPERM', handle),
  open_by_handle_at: floor('EPERM', handle),
  add_key: floor('EPERM', keys),
  request_key: floor('EPERM', keys),
  keyctl: floor('EPERM', keys),
};
