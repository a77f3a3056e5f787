/** The options of a registry, and of which kind each is. No code, so that a client can load it, too. */
import { having, type KindsOf } from '../policy/known-options.ts';
import { PLACE } from '../sandbox/option-kinds.ts';
import type { ModuleExecuteOptions } from './loaded-module.ts';
import type { ModulesOptions } from './modules-setup.ts';

export const MODULES = {
  ...PLACE,
  path: 'text',
  // Its schema's to say.
  ceilings: 'any',
  admission: 'function',
  store: having('find', 'add', 'close'),
} as const satisfies KindsOf<ModulesOptions>;

export const INSPECT = { code: 'boolean' } as const;

export const EXECUTE = {
  args: 'list',
  export: 'text',
  input: 'content',
  grants: 'object',
  signal: 'signal',
} as const satisfies KindsOf<ModuleExecuteOptions>;
