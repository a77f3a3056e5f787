/** `caisson serve`, and its flags. */
import { resolve } from 'node:path';
import { CaissonError } from '../core/error.ts';
import type { ConfigRequest } from '../server/config/load-config.ts';
import { command, type FlagValues } from './command.ts';

export const serveFlags = {
  config: {
    short: 'c',
    value: 'FILE',
    completes: 'file',
    summary: 'Configuration, YAML or JSON; default: what CAISSON_CONFIG names, else none',
  },
  set: {
    value: 'KEY=VALUE',
    repeatable: true,
    summary: 'One key of it, such as listen.port=0; over file and environment',
  },
  host: { value: 'ADDRESS', summary: 'listen.host; default 127.0.0.1' },
  port: { short: 'p', value: 'NUMBER', summary: 'listen.port; default 8640, 0: one that is free' },
  socket: {
    value: 'PATH',
    completes: 'file',
    summary: 'listen.socketPath: a unix socket instead',
  },
  state: {
    value: 'DIR',
    completes: 'directory',
    summary: 'stateDirectory; default: service in the state directory',
  },
  anonymous: {
    summary: 'auth.anonymous: every program of this machine is the operator; loopback alone',
  },
} as const;

/** The keys of the configuration that flags of their own stand for. */
const SHORT = {
  host: 'listen.host',
  port: 'listen.port',
  socket: 'listen.socketPath',
  state: 'stateDirectory',
  anonymous: 'auth.anonymous',
} as const;

/** By key of the configuration. @throws REQUEST_INVALID */
export function configFlagsOf(
  flags: FlagValues<typeof serveFlags>,
): Required<Pick<ConfigRequest, 'flags' | 'spelled'>> {
  const found: Record<string, string | boolean> = {};
  const spelled: Record<string, string> = {};
  requireOneAddress(flags);
  for (const each of flags.set ?? []) {
    const at = each.indexOf('=');
    if (at <= 0) {
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'cli',
        message: `--set ${each}`,
        hint: 'write --set KEY=VALUE, such as --set listen.port=0; caisson config show lists the keys',
      });
    }
    found[each.slice(0, at)] = each.slice(at + 1);
  }
  for (const [flag, key] of Object.entries(SHORT) as [keyof typeof SHORT, string][]) {
    const value = flags[flag];
    if (value === undefined) continue;
    // Where whoever types it stands; in a file, paths are absolute.
    const isPath = (flag === 'socket' || flag === 'state') && typeof value === 'string';
    found[key] = isPath ? resolve(value) : value;
    spelled[key] = `--${flag}`;
  }
  return { flags: found, spelled };
}

/** @throws REQUEST_INVALID: it listens at one place, and the other would be left out without a word */
function requireOneAddress({ socket, host, port }: FlagValues<typeof serveFlags>): void {
  const other = port !== undefined ? '--port' : host !== undefined ? '--host' : undefined;
  if (socket === undefined || other === undefined) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: `--socket and ${other} cannot stand together: the service listens on a unix socket, or at an address`,
    hint: `leave out ${other}, or --socket; two services with state directories of their own can have both`,
  });
}

export const serveCommands = [
  command({
    name: 'serve',
    summary: 'Serve sandboxes, modules and policies over HTTP',
    description:
      'Listens on 127.0.0.1:8640 unless told otherwise, and answers whoever brings an API key (caisson access keys create) or a token. SIGTERM lets what runs come to its end; a second one does not.',
    flags: serveFlags,
    examples: [
      'caisson access tenants create acme',
      'caisson access keys create --tenant acme --role developer',
      'caisson serve',
      'caisson serve --socket /run/caisson/api.sock --config /etc/caisson/config.yaml',
    ],
    load: () => import('./commands/serve.ts'),
  }),
];
