/** `caisson config show`. */
import { configKeys } from '../../server/config/config-keys.ts';
import { type ConfigSource, loadConfig } from '../../server/config/load-config.ts';
import type { Action } from '../command.ts';
import { configFlagsOf, type serveFlags } from '../serve-commands.ts';

export const action: Action<typeof serveFlags> = async ({ flags }) => {
  const { config, file, sources } = await loadConfig({
    ...(flags.config === undefined ? {} : { file: flags.config }),
    environment: process.env,
    ...configFlagsOf(flags),
  });
  const rows = configKeys.map(({ name, path }) => {
    const value = path.reduce<unknown>(
      (at, step) => (at as Record<string, unknown>)?.[step],
      config,
    );
    return { key: name, value, source: sources.get(name) ?? { from: 'default' as const } };
  });
  const width = Math.max(...rows.map(({ key }) => key.length));
  return {
    exit: 0,
    document: {
      ...(file === undefined ? {} : { file }),
      keys: Object.fromEntries(
        rows.map(({ key, value, source }) => [key, { value: value ?? null, ...source }]),
      ),
    },
    text: rows
      .map(({ key, value, source }) => `${key.padEnd(width)}  ${shown(value)}  (${told(source)})\n`)
      .join(''),
  };
};

function shown(value: unknown): string {
  return value === undefined ? '-' : JSON.stringify(value);
}

function told({ from, where }: ConfigSource): string {
  return where === undefined ? from : where;
}
