/** Commands that run in the small internet itself: its name server is the one of /etc/resolv.conf, for them alone. */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NAME_SERVER } from './world.ts';
import type { HostCommand, HostRun } from './world-client.ts';

export function runOnHost(
  { argv, cwd, env }: HostCommand,
  state: string,
): Promise<Omit<HostRun, 'seen'>> {
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const resolv = join(state, 'resolv.conf');
  writeFileSync(resolv, `nameserver ${NAME_SERVER}\n`);
  const mounted = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  const child = spawn('unshare', ['--mount', 'sh', '-c', mounted, resolv, ...argv], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (data: string) => {
      text[stream] += data;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...text }));
  });
}
