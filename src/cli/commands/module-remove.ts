/** `caisson module remove`. */
import type { Action } from '../command.ts';
import type { moduleNameFlags } from '../module-commands.ts';
import { withModules } from '../with-modules.ts';

export const action: Action<typeof moduleNameFlags> = ({ flags, positionals: [name = ''] }) =>
  withModules({ store: flags.store }, async (modules) => {
    await modules.remove(name);
    return { exit: 0, document: { removed: name }, text: `${name} is removed\n` };
  });
