/** Python: names, modules and operators. */
import type { Dialect } from '../interpret/dialect.ts';
import { plainDialect } from '../interpret/plain-dialect.ts';

export const python: Dialect = {
  ...plainDialect((name) => `py:builtins.${name}`),
  constructorKey: '__init__',
};
