import { ioctlWithoutInjection } from '../checks.ts';
import { allow, guarded, refuse, type SyscallGroup, wide } from '../rule.ts';

/** Waiting for descriptors, watching files, and controlling devices. */
export const events: SyscallGroup = {
  poll: allow('waits for descriptors'),
  ppoll: allow('waits for descriptors'),
  select: allow('waits for descriptors'),
  pselect6: allow('waits for descriptors'),
  epoll_create: allow('waits for descriptors'),
  epoll_create1: allow('waits for descriptors'),
  epoll_ctl: allow('waits for descriptors'),
  epoll_wait: allow('waits for descriptors'),
  epoll_pwait: allow('waits for descriptors'),
  epoll_pwait2: allow('waits for descriptors'),
  eventfd: allow('a counter as a descriptor'),
  eventfd2: allow('a counter as a descriptor'),
  ioctl: guarded(
    ioctlWithoutInjection,
    "these two type into the caller's terminal (CVE-2017-5226, CVE-2023-28100)",
  ),
  inotify_init: wide('watches visible files'),
  inotify_init1: wide('watches visible files'),
  inotify_add_watch: wide('watches visible files'),
  inotify_rm_watch: wide('watches visible files'),
  fanotify_init: refuse('EPERM', 'watches whole file systems, those shared with the host too'),
  fanotify_mark: refuse('EPERM', 'watches whole file systems, those shared with the host too'),
};
