/**
 * The ceiling of a service whose operator has named none: what untrusted code of other people may have, on a host that is
 * somebody's own. Levels from `moderate` on; of the host its system directories, and nothing else; the network of the
 * public, or none.
 */
import type { PolicyDocument } from '../../policy/document.ts';
import { levels } from '../../policy/levels.ts';
import { policyFromDocument } from '../../policy/parse.ts';
import type { Policy } from '../../policy/policy.ts';
import { SPECIAL_BLOCKS } from '../../policy/special-address.ts';

const EVERYWHERE = ['*', '0.0.0.0/0', '[::]/0'];
const SPECIAL = SPECIAL_BLOCKS.map(([block]) => {
  const [address = '', length = ''] = block.split('/');
  return address.includes(':') ? `[${address}]/${length}` : block;
});
const onEveryPort = (host: string): string[] => [`${host}:*`, `${host}:*/udp`];

export const serviceCeilingDocument: PolicyDocument = {
  version: 1,
  name: 'service',
  level: 'moderate',
  filesystem: {
    read: ['.'],
    write: ['.'],
    workspace: 'direct',
    scratch: [
      ...['/tmp', '/var/tmp', '/var/cache', '/run', '/dev/shm'],
      ...['/home', '/root', '/srv', '/mnt', '/data', '/cache', '/scratch', '/work'],
    ],
  },
  network: {
    mode: 'filtered',
    allow: EVERYWHERE.flatMap(onEveryPort),
    deny: SPECIAL.flatMap(onEveryPort),
  },
  limits: {
    timeout: '24h',
    memory: '8GiB',
    cpu: 4,
    cpuWeight: 100,
    processes: 4096,
    openFiles: 16384,
    fileSize: '16GiB',
    // Kept for the answer in the memory of the service, and several times that as JSON; streams keep none.
    output: '16MiB',
    scratch: '4GiB',
    core: 0,
    stack: '64MiB',
  },
};

/** Ports that a guest opens are those of its own network namespace: which ones is nobody else's business. */
const EVERY_PORT: readonly number[] = Object.freeze(Array.from({ length: 65535 }, (_, i) => i + 1));

export function serviceCeiling(): Policy {
  const policy = policyFromDocument(serviceCeilingDocument);
  return Object.freeze({
    ...policy,
    walls: levels.moderate.mayUse.concat(levels.paranoid.mayUse),
    network: Object.freeze({ ...policy.network, listen: EVERY_PORT }),
  });
}
