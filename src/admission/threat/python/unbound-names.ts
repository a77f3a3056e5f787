/** Names that a module uses and does not bind: what a star import may have bound. */
import type { SyntaxTree } from '../syntax-tree.ts';
import { isPythonBuiltin } from './builtins.ts';

/** More are not looked at. */
const MOST_NAMES = 2000;

const BINDING_FIELDS = new Set(['left', 'alias', 'name']);
const BINDING_PARENTS = new Set([
  'parameters',
  'lambda_parameters',
  'pattern_list',
  'tuple_pattern',
  'dotted_name',
  'global_statement',
]);

export function unboundNames(tree: SyntaxTree): readonly string[] {
  const used = new Set<string>();
  const bound = new Set<string>();
  const open: number[] = [];
  for (let node = 0; node < tree.count; node++) {
    while (open.length > 0 && node >= tree.next(open.at(-1) ?? 0)) open.pop();
    if (tree.typeName(node) !== 'identifier') {
      if (!tree.isLeaf(node)) open.push(node);
      continue;
    }
    const field = tree.field(node);
    if (field === 'attribute') continue;
    const parent = open.at(-1);
    const binds =
      (field !== null && BINDING_FIELDS.has(field)) ||
      (parent !== undefined && BINDING_PARENTS.has(tree.typeName(parent)));
    (binds ? bound : used).add(tree.text(node));
    if (used.size > MOST_NAMES) break;
  }
  return [...used].filter((text) => !bound.has(text) && !isPythonBuiltin(text));
}
