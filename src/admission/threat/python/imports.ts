/** Imports of Python, in each of their forms. `import_module` and `__import__` are calls. */
import type { Statement } from '../tree.ts';
import type { PythonLowering } from './lowering.ts';

interface Imported {
  readonly module: string;
  readonly alias: string | undefined;
}

/** Dotted names may hold spaces: `import os . path`. */
const dotted = (text: string): string => text.replace(/\s|\\/g, '');

function importedBy({ tree }: PythonLowering, node: number): Imported {
  if (tree.typeName(node) !== 'aliased_import') {
    return { module: dotted(tree.text(node)), alias: undefined };
  }
  const own = tree.child(node, 'name');
  const alias = tree.child(node, 'alias');
  return {
    module: own < 0 ? '' : dotted(tree.text(own)),
    alias: alias < 0 ? undefined : tree.text(alias),
  };
}

/** `import a.b` binds `a`, `import a.b as c` binds `c` to `a.b`. */
export function lowerImport(state: PythonLowering, node: number): Statement[] {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  return tree.childrenIn(node, 'name').flatMap((child): Statement[] => {
    const { module, alias } = importedBy(state, child);
    const whole = module.split('.')[0] ?? module;
    if (alias !== undefined || whole === module) {
      return [
        {
          kind: 'import',
          module,
          bindings: [{ imported: '*', local: alias ?? module }],
          start,
          end,
        },
      ];
    }
    const bindings = [{ imported: '*', local: whole }];
    return [
      { kind: 'import', module, bindings: [], start, end },
      { kind: 'import', module: whole, bindings, start, end },
    ];
  });
}

/** @param unbound names that nothing in the module binds: what `from x import *` may bind */
export function lowerFromImport(
  state: PythonLowering,
  node: number,
  unbound: () => readonly string[],
): Statement[] {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const from = tree.child(node, 'module_name');
  const module = from < 0 ? '' : dotted(tree.text(from));
  const wild = tree.namedChildren(node).some((child) => tree.typeName(child) === 'wildcard_import');
  const bindings = wild
    ? unbound().map((local) => ({ imported: local, local }))
    : tree.childrenIn(node, 'name').map((child) => {
        const { module: imported, alias } = importedBy(state, child);
        return { imported, local: alias ?? imported };
      });
  return [{ kind: 'import', module, bindings, start, end }];
}
