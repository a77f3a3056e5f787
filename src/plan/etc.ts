/**
 * A synthetic /etc: who the guest is, where names come from, and the host's certificates and linker cache.
 */
import type { Policy } from '../policy/policy.ts';
import { CA_FILE } from './environment.ts';
import type { HostFacts } from './facts.ts';
import { guest } from './guest.ts';
import type { Mount } from './plan.ts';

export function compileEtc(policy: Policy, facts: HostFacts): Mount[] {
  const file = (name: string, lines: readonly string[]): Mount => ({
    kind: 'file',
    target: `/etc/${name}`,
    content: `${lines.join('\n')}\n`,
    mode: 0o644,
  });
  const online = policy.network.mode === 'full';
  const mounts: Mount[] = [
    { kind: 'directory', target: '/etc', mode: 0o755 },
    file('passwd', [
      'root:x:0:0:root:/nonexistent:/usr/sbin/nologin',
      `${guest.name}:x:${guest.uid}:${guest.gid}:${guest.name}:${guest.home}:/bin/sh`,
      'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    ]),
    file('group', ['root:x:0:', 'tty:x:5:', `${guest.name}:x:${guest.gid}:`, 'nogroup:x:65534:']),
    file('hostname', [policy.hostname]),
    file('hosts', [
      '127.0.0.1 localhost',
      '::1 localhost ip6-localhost ip6-loopback',
      `127.0.1.1 ${policy.hostname}`,
      ...(online && facts.etc.hosts !== undefined ? [facts.etc.hosts.trimEnd()] : []),
    ]),
    file('resolv.conf', [
      policy.network.mode === 'filtered' || policy.network.mode === 'internal'
        ? 'nameserver 127.0.0.1'
        : online && facts.etc.resolvConf !== undefined
          ? facts.etc.resolvConf.trimEnd()
          : '# this sandbox has no resolver',
    ]),
    file('nsswitch.conf', [
      'passwd: files',
      'group: files',
      'shadow: files',
      'hosts: files dns',
      'networks: files',
      'protocols: files',
      'services: files',
      'ethers: files',
      'rpc: files',
    ]),
  ];
  if (policy.network.intercept === true) {
    // A place for the job's own file: no mount point can be made in the fixed root.
    mounts.push({ kind: 'directory', target: '/etc/caisson', mode: 0o755 });
    mounts.push({ kind: 'file', target: CA_FILE, content: '', mode: 0o444 });
  }
  if (facts.etc.localtime !== undefined) {
    mounts.push({ kind: 'symlink', target: '/etc/localtime', to: facts.etc.localtime });
  }
  if (policy.view === 'named') return mounts;
  for (const { path, content } of facts.etc.files ?? []) {
    mounts.push({ kind: 'file', target: path, content, mode: 0o644 });
  }
  for (const path of facts.etc.binds) {
    mounts.push({
      kind: 'bind',
      source: path,
      target: path,
      flags: ['readonly', 'nosuid', 'nodev', 'recursive', 'optional'],
    });
  }
  return mounts;
}
