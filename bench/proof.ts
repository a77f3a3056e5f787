/** What programs/true.c prints when asked for proof, and what it must say for the isolation to have been there. */
import { statSync } from 'node:fs';

export const NAMESPACES = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'] as const;
export type NamespaceName = (typeof NAMESPACES)[number];

const hostNumbers = new Map(
  NAMESPACES.map((kind) => [kind, String(statSync(`/proc/self/ns/${kind}`).ino)]),
);

/** The `name value` lines. */
export function readProof(stdout: string): Map<string, string> {
  const lines = stdout.split('\n').filter((line) => line.includes(' '));
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  );
}

/** @throws Error unless the run had namespaces of its own, a filter, no_new_privs and no capability in any set. */
export function assertIsolated(
  name: string,
  stdout: string,
  namespaces: readonly NamespaceName[] = NAMESPACES,
): Map<string, string> {
  const proof = readProof(stdout);
  const wrong = namespaces.filter((kind) => {
    const number = proof.get(`ns.${kind}`);
    return number === undefined || number === '0' || number === hostNumbers.get(kind);
  });
  const missing = [
    ...wrong.map((kind) => `a ${kind} namespace of its own`),
    ...(proof.get('status.Seccomp') === '2' ? [] : ['a seccomp filter']),
    ...(proof.get('status.NoNewPrivs') === '1' ? [] : ['no_new_privs']),
    ...['CapEff', 'CapPrm', 'CapInh', 'CapBnd', 'CapAmb']
      .filter((set) => !/^0+$/.test(proof.get(`status.${set}`) ?? ''))
      .map((set) => `an empty ${set}`),
    ...(proof.get('fresh') === '1' ? [] : ['an unused scratch directory']),
  ];
  if (missing.length > 0) throw new Error(`${name} ran without ${missing.join(', ')}:\n${stdout}`);
  return proof;
}
