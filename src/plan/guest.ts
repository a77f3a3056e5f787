/**
 * Who the guest is inside: one ordinary user, the same on every host.
 */
export const guest = {
  name: 'guest',
  uid: 1000,
  gid: 1000,
  /** The home of the caller is hidden; this is where the guest can write. */
  home: '/tmp',
} as const;

/** Where commands are looked for in a private root, unless the toolchain or the policy says more. */
export const defaultPath = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
] as const;
