import type { NumberRow } from './numbers.ts';

/**
 * From 424 on every architecture numbers alike (Linux 5.1 and later); up to listns.
 * Source: include/uapi/asm-generic/unistd.h and scripts/syscall.tbl of Linux.
 */
export const commonNumbers: readonly NumberRow[] = [
  [424, 'pidfd_send_signal'],
  [425, 'io_uring_setup io_uring_enter io_uring_register open_tree move_mount'],
  [430, 'fsopen fsconfig fsmount fspick pidfd_open'],
  [435, 'clone3 close_range openat2 pidfd_getfd faccessat2'],
  [440, 'process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset'],
  [445, 'landlock_add_rule landlock_restrict_self memfd_secret process_mrelease futex_waitv'],
  [450, 'set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake'],
  [455, 'futex_wait futex_requeue statmount listmount lsm_get_self_attr'],
  [460, 'lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat'],
  [465, 'listxattrat removexattrat open_tree_attr file_getattr file_setattr'],
  [470, 'listns'],
];
