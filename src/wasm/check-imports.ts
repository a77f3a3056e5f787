/** Whether a host has what a module imports. */
import { CaissonError } from '../core/error.ts';
import type { ExternalKind, Module } from './module.ts';

/** More than a person reads at once. */
const MOST_SHOWN = 50;

/**
 * @param has Whether the host has something of this name and kind; types are compared when the engine links.
 * @throws CaissonError `WASM_IMPORTS_UNKNOWN`, all of them in the message and in `details.imports`
 */
export function checkImports(
  { imports }: Module,
  has: (module: string, name: string, kind: ExternalKind) => boolean,
): void {
  const unknown = imports.filter(({ module, name, entity }) => !has(module, name, entity.kind));
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
