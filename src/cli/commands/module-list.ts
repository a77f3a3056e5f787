/** `caisson module list`. */
import { formatBytes } from '../../core/units.ts';
import type { ModuleFilter, ModuleInfo } from '../../modules/module-schemas.ts';
import type { Action } from '../command.ts';
import type { moduleListFlags } from '../module-commands.ts';
import { columns } from '../text-columns.ts';
import { withModules } from '../with-modules.ts';

export const action: Action<typeof moduleListFlags> = async ({ flags, positionals: [id] }) => {
  const filter: ModuleFilter = {
    ...(id === undefined ? {} : { id }),
    ...(flags.kind === undefined ? {} : { kind: flags.kind as ModuleInfo['kind'] }),
    ...(flags.enabled === true ? { enabled: true } : {}),
    ...(flags.disabled === true ? { enabled: false } : {}),
  };
  return await withModules({ store: flags.store }, async (modules) => {
    const found = await modules.list(filter);
    return {
      exit: 0,
      document: { modules: found },
      text: found.length === 0 ? '' : columns([HEADER, ...found.map(rowOf)]),
      notes: found.length === 0 ? ['no such module is registered'] : [],
    };
  });
};

const HEADER = ['MODULE', 'KIND', 'STATE', 'KEEPS', 'SIZE', 'SIGNED', 'DIGEST'];

function rowOf(module: ModuleInfo): string[] {
  return [
    `${module.id}@${module.version}`,
    module.language ?? module.kind,
    module.enabled ? 'enabled' : 'disabled',
    module.keep,
    formatBytes(module.codeBytes),
    module.signed,
    module.digest.slice(0, 12),
  ];
}
