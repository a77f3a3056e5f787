/** How root gives an ordinary user control groups where no systemd does. */
import type { Surroundings } from './surroundings.ts';

/**
 * With v1 each controller has a hierarchy of its own, and a group may hold processes and groups. With v2 there is one, and
 * what hands controllers on may hold no process (cgroups(7)), so that the shell stands in a leaf of its own.
 */
export function delegateByHand(version: Surroundings['cgroupVersion']): string {
  if (version === 'v1') {
    return 'as root, PID being that of the shell to start it from: for c in memory cpu cpuacct pids blkio freezer; do mkdir -p /sys/fs/cgroup/$c/caisson && chown -R USER /sys/fs/cgroup/$c/caisson && echo PID > /sys/fs/cgroup/$c/caisson/cgroup.procs; done';
  }
  const mount = version === undefined ? 'mount -t cgroup2 none /sys/fs/cgroup && ' : '';
  return `as root, PID being that of the shell to start it from: ${mount}cd /sys/fs/cgroup && mkdir -p caisson/shell && echo "+memory +cpu +pids" | tee cgroup.subtree_control caisson/cgroup.subtree_control && chown -R USER caisson && echo PID > caisson/shell/cgroup.procs`;
}
