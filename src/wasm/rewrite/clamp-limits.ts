/** How far memories and tables may grow: a maximum in the module itself, which the engine holds. */
import type { Import, Limits, Module, TableType } from '../module.ts';
import { refused } from '../problem.ts';

export interface LimitsOptions {
  /** Pages of 64 KiB. A module that says less keeps its own maximum. */
  readonly memoryPages?: number;
  /** Elements of each table. */
  readonly tableElements?: number;
}

/**
 * Declared and imported ones. An imported memory or table is then taken only with a maximum that is no higher: the
 * engine compares when it links.
 *
 * @throws CaissonError `WASM_REFUSED` where the module wants more from the beginning
 */
export function clampLimits(module: Module, options: LimitsOptions): Module {
  const { memoryPages, tableElements } = options;
  const memory = (limits: Limits): Limits => clamp(limits, memoryPages, 'memory', 'pages');
  const table = (type: TableType): TableType => ({
    ...type,
    limits: clamp(type.limits, tableElements, 'table', 'elements'),
  });
  const clampImport = (each: Import): Import => {
    const { entity } = each;
    if (entity.kind === 'memory')
      return { ...each, entity: { ...entity, type: memory(entity.type) } };
    if (entity.kind === 'table')
      return { ...each, entity: { ...entity, type: table(entity.type) } };
    return each;
  };
  return {
    ...module,
    imports: module.imports.map(clampImport),
    memories: module.memories.map(memory),
    tables: module.tables.map(table),
  };
}

function clamp(limits: Limits, most: number | undefined, what: string, unit: string): Limits {
  if (most === undefined) return limits;
  if (limits.minimum > most)
    throw refused(
      `the module's ${what} begins with ${limits.minimum} ${unit}, it may have ${most}`,
      `raise the limit, or compile the module with a smaller ${what}`,
      { what, minimum: limits.minimum, most },
    );
  return { ...limits, maximum: Math.min(limits.maximum ?? most, most) };
}
