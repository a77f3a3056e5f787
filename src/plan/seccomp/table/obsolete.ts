import { floor, refuse, type SyscallGroup } from '../rule.ts';

const gone = 'removed from Linux, or never there';
const modules = 'kernel modules of Linux 2.4';

/** Numbers that are taken but that no program of today uses. */
export const obsolete: SyscallGroup = {
  uselib: refuse('ENOSYS', 'loads a shared library in the a.out manner'),
  ustat: refuse('ENOSYS', 'replaced by statfs'),
  sysfs: refuse('ENOSYS', 'lists file system types; replaced by /proc/filesystems'),
  _sysctl: refuse('ENOSYS', gone),
  nfsservctl: refuse('ENOSYS', gone),
  getpmsg: refuse('ENOSYS', gone),
  putpmsg: refuse('ENOSYS', gone),
  afs_syscall: refuse('ENOSYS', gone),
  tuxcall: refuse('ENOSYS', gone),
  security: refuse('ENOSYS', gone),
  vserver: refuse('ENOSYS', gone),
  epoll_ctl_old: refuse('ENOSYS', gone),
  epoll_wait_old: refuse('ENOSYS', gone),
  create_module: floor('ENOSYS', modules),
  get_kernel_syms: floor('ENOSYS', modules),
  query_module: floor('ENOSYS', modules),
};
