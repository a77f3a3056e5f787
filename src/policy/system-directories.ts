/**
 * What the view `system` shows read-only besides the named paths (where the host has it), and a
 * made-up /etc. The set algebra counts these as readable.
 */
export const SYSTEM_DIRECTORIES: readonly string[] = [
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/opt',
  '/nix',
];
