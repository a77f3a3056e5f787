/**
 * What to change about a container so that sandboxes work in it. None of it makes the container privileged.
 */
import type { Surroundings } from './surroundings.ts';

export type Container = NonNullable<Surroundings['container']>;

/** What the engine takes away, given back. */
const DOCKER_FLAGS =
  'docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined …';
const PODMAN_FLAGS =
  'podman run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt unmask=ALL …';
const KUBERNETES_FIELDS =
  "in the container's securityContext: seccompProfile: {type: Unconfined}, appArmorProfile: {type: Unconfined}, procMount: Unmasked (with hostUsers: false in the pod)";

/** What makes namespaces and a /proc of one's own work in such a container. */
export function containerCure(container: Container): string {
  if (container === 'other') {
    return 'have the engine allow namespaces: no seccomp or AppArmor profile around the container, nothing mounted over its /proc';
  }
  if (container === 'podman') return PODMAN_FLAGS;
  if (container === 'kubernetes') return KUBERNETES_FIELDS;
  return DOCKER_FLAGS;
}

/** What makes its cgroups writable. */
export function containerCgroupCure(container: Container): string {
  if (container === 'podman') return 'podman run --security-opt unmask=/sys/fs/cgroup …';
  if (container === 'kubernetes') {
    return 'set cgroup_writable for the runtime class in containerd 2.1 or later, or use the level moderate';
  }
  if (container === 'other')
    return 'have the engine mount its cgroup writable, or use the level moderate';
  return 'docker run --cgroupns=private --security-opt writable-cgroups=true … (Docker 28 or later, cgroup v2)';
}

export function nameOf(container: Container): string {
  const names = {
    docker: 'Docker',
    podman: 'Podman',
    kubernetes: 'Kubernetes',
    other: 'the container engine',
  };
  return names[container];
}
