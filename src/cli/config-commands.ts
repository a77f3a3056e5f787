/** Commands about the configuration of the service; they take what `caisson serve` takes. */
import { command } from './command.ts';
import { serveFlags } from './serve-commands.ts';

export const configCommands = [
  command({
    name: 'config check',
    summary: 'Check the configuration of the service, and the files that it names',
    description:
      'Reads file, environment (CAISSON_…) and flags as caisson serve does, and tells every problem with its place; nothing is started. Exit code 78 where there is one.',
    flags: serveFlags,
    examples: ['caisson config check --config /etc/caisson/config.yaml'],
    load: () => import('./commands/config-check.ts'),
  }),
  command({
    name: 'config show',
    summary: 'Show every key of the configuration, its value, and where that is from',
    description:
      'Secrets are never part of a configuration: it names the files that hold them. Keys without a value and a default are shown as -.',
    flags: serveFlags,
    examples: ['caisson config show --set listen.port=0', 'caisson config show --json'],
    load: () => import('./commands/config-show.ts'),
  }),
];
