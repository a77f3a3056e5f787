/** The programs of examples/attempts, what each tries, and what shows that it was stopped. */
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface HostileProgram {
  tries: string;
  argv: string[];
  flags: string[];
  /** Stopped means that this limit was hit; without it, that the program failed. */
  limit?: string;
  environment?: Record<string, string>;
}

export function hostilePrograms(host: {
  hostile: string;
  /** A directory of the host that must stay empty. */
  victim: string;
  /** A port of the host that must see no connection. */
  port: number;
}): HostileProgram[] {
  const python = (file: string, ...args: string[]) => [
    'python3',
    join(host.hostile, file),
    ...args,
  ];
  return [
    { tries: 'read /etc/shadow', argv: python('read-shadow.py'), flags: [] },
    {
      tries: 'find tokens in the environment and the home',
      argv: python('read-secrets.py', homedir()),
      flags: [],
      environment: { DEPLOY_TOKEN: 'not-a-real-token' },
    },
    {
      tries: 'write to the host and beside itself',
      argv: python('write-outside.py', host.victim),
      flags: [],
    },
    {
      tries: `connect to the host's port ${host.port}`,
      argv: python('connect.py', String(host.port)),
      flags: [],
    },
    {
      tries: 'ptrace a host process, unshare, mount',
      argv: python('escape.py', String(process.pid)),
      flags: [],
    },
    {
      tries: 'take all memory (256 MiB allowed)',
      argv: python('memory-hog.py'),
      flags: ['--memory', '256MiB', '--timeout', '20s'],
      limit: 'memory',
    },
    {
      tries: 'fork without end (for 3 s)',
      argv: ['sh', join(host.hostile, 'fork-bomb.sh')],
      flags: ['--timeout', '3s'],
      limit: 'processes',
    },
  ];
}
