/**
 * To be imported before anything else: the test file goes on in network and mount namespaces of its own, so that the
 * service that it starts has an internet of the test's (`small-internet.ts`). The process stays the same one, and so do
 * its pipes to whoever runs it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

const VARIABLE = 'CAISSON_TEST_NAMESPACE';
const NAME_SERVER = '198.51.100.53';
const hasPython = spawnSync('python3', ['-V']).status === 0;

/** Why there is none; `false` where the test stands in it. */
export const skip: string | false =
  process.getuid?.() !== 0 ? 'needs root' : hasPython ? false : 'python3 is not installed';

if (skip === false && process.env[VARIABLE] === undefined) enter();

/** Where the servers' authority is written for the proxy, which reads it when it starts. */
export const rootsFile = join(process.env[VARIABLE] ?? '', 'roots.pem');

process.on('exit', () => {
  const directory = process.env[VARIABLE];
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

function enter(): void {
  const directory = mkdtempSync(join(tmpdir(), 'caisson-internet-'));
  const resolv = join(directory, 'resolv.conf');
  const roots = join(directory, 'roots.pem');
  writeFileSync(resolv, `nameserver ${NAME_SERVER}\n`);
  writeFileSync(roots, '');
  // What is mounted there is the name server of this namespace alone.
  const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  const program = [process.execPath, ...process.execArgv, process.argv[1] ?? ''];
  const args = ['unshare', '--net', '--mount', 'sh', '-c', script, resolv, ...program];
  process.execve?.('/usr/bin/unshare', args, {
    ...process.env,
    [VARIABLE]: directory,
    SSL_CERT_FILE: roots,
  });
}
