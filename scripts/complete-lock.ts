/**
 * Completes package-lock.json after `npm install`: where a registry mirror lacks the packages of
 * other platforms, npm leaves them out of the lock, and `npm ci` then calls it out of sync, here and
 * everywhere. Their names and exact versions stand in the package that wants them; `os` and `cpu` are
 * in the name. They carry no hash, so none may be one that this lock can install on Linux with glibc.
 *
 *   npm run lock
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface Entry {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  resolved?: string;
  optionalDependencies?: Record<string, string>;
}

const path = 'package-lock.json';
const lock = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, Entry> };
const added: string[] = [];

for (const wanting of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(wanting.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    if (lock.packages[key]) continue;
    lock.packages[key] = { version, ...(wanting.dev ? { dev: true } : {}), ...platformOf(name) };
    added.push(name);
  }
}
// A registry's address says where somebody works, and nothing that the hash does not say better.
for (const entry of Object.values(lock.packages)) delete entry.resolved;
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)),
);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json: ${added.length} packages of other platforms added`);

function platformOf(name: string): Entry {
  const platform =
    /(android|darwin|freebsd|linux|openharmony|win32)-(arm64|arm|ia32|ppc64|riscv64|s390x|x64)(-\w+)?$/;
  const [, os = '', cpu = '', abi = ''] = platform.exec(name) ?? [];
  const libc = abi.startsWith('-musl') ? ['musl'] : abi.startsWith('-gnu') ? ['glibc'] : undefined;
  const usedHere = os === 'linux' && (cpu === 'x64' || cpu === 'arm64') && libc?.[0] !== 'musl';
  if (os === '' || usedHere) throw new Error(`${name} is missing from package-lock.json`);
  // In npm's own order, so that its next writing changes nothing.
  return { cpu: [cpu], ...(libc ? { libc } : {}), optional: true, os: [os] };
}
