/** Opens the registry that a command line names. */
import { Caisson } from '../compose.ts';
import type { Modules } from '../modules/modules.ts';
import type { ModulesOptions } from '../modules/modules-setup.ts';
import { callerEnvironment } from './caller-environment.ts';

export async function withModules<T>(
  {
    store,
    trust,
    ...options
  }: Omit<ModulesOptions, 'store'> & {
    readonly store?: string | undefined;
    readonly trust?: string | undefined;
  },
  act: (modules: Modules) => Promise<T>,
): Promise<T> {
  await using caisson = await Caisson.open({
    environment: callerEnvironment(),
    ...(trust === undefined ? {} : { admission: { trust } }),
  });
  const path = store === undefined ? {} : { path: store };
  return await act(await caisson.modules({ ...options, ...path }));
}
