/** Shell: commands and variables by name. */
import type { Dialect } from '../interpret/dialect.ts';
import { plainDialect } from '../interpret/plain-dialect.ts';

export const shell: Dialect = plainDialect((name) => `sh:${name}`);
