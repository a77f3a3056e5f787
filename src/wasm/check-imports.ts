/** Whether a host has what a module imports. */
import { CaissonError } from '../core/error.ts';
import type { ExternalKind, FunctionType, Module } from './module.ts';

/** More than a person reads at once. */
const MOST_SHOWN = 50;

/**
 * @param has Whether the host has something of this name and kind; `signature` of a function alone. Engines compare types
 * when they link, but take a function of JavaScript for one of any type.
 * @throws CaissonError `WASM_IMPORTS_UNKNOWN`, all of them in the message and in `details.imports`
 */
export function checkImports(
  { imports, types }: Module,
  has: (module: string, name: string, kind: ExternalKind, signature?: FunctionType) => boolean,
): void {
  const unknown = imports.filter(({ module, name, entity }) => {
    const signature = entity.kind === 'function' ? types[entity.type] : undefined;
    return !has(module, name, entity.kind, signature);
  });
  if (unknown.length === 0) return;
  const shown = unknown
    .slice(0, MOST_SHOWN)
    .map(({ module, name, entity }) => `${entity.kind} ${JSON.stringify(`${module}.${name}`)}`);
  const more = unknown.length > shown.length ? [`and ${unknown.length - shown.length} more`] : [];
  throw new CaissonError('WASM_IMPORTS_UNKNOWN', {
    layer: 'wasm',
    message: `the module imports what nobody provides: ${[...shown, ...more].join(', ')}`,
    hint: 'grant these by name, or link the module without them',
    details: {
      imports: unknown.slice(0, MOST_SHOWN).map(({ module, name, entity }) => ({
        module,
        name,
        kind: entity.kind,
      })),
    },
  });
}
