/** `caisson module enable`. */
import type { Action } from '../command.ts';
import type { moduleNameFlags } from '../module-commands.ts';
import { withModules } from '../with-modules.ts';

export const action: Action<typeof moduleNameFlags> = ({ flags, positionals: [name = ''] }) =>
  withModules({ store: flags.store }, async (modules) => {
    const module = await modules.enable(name);
    const { id, version } = module;
    return { exit: 0, document: { module }, text: `${id}@${version} is enabled\n` };
  });
