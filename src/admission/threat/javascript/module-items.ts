/** Imports and exports. What is exported is assigned to `%exports`, the module's own name for it. */
import type { ESTree } from 'meriyah';
import type { Expression, Pattern, Statement } from '../tree.ts';
import { evaluate, lowerExpression } from './expressions.ts';
import { constant, type Lowering, member, name, spanOf } from './lowering.ts';
import { AssignmentNode } from './nodes.ts';
import { ImportNode } from './statement-nodes.ts';
import { lowerInto } from './statements.ts';

export function lowerModuleItem(state: Lowering, node: ESTree.Node): boolean {
  const { start, end } = spanOf(node);
  switch (node.type) {
    case 'ImportDeclaration': {
      const bindings = node.specifiers.map((specifier) => ({
        imported:
          specifier.type === 'ImportNamespaceSpecifier'
            ? '*'
            : specifier.type === 'ImportDefaultSpecifier'
              ? 'default'
              : textOf(specifier.imported),
        local: specifier.local.name,
      }));
      state.add(new ImportNode(String(node.source.value), bindings, start, end));
      return true;
    }
    case 'ExportAllDeclaration':
      state.add(new ImportNode(String(node.source.value), [], start, end));
      return true;
    case 'ExportDefaultDeclaration': {
      const { declaration } = node as { declaration: ESTree.Node };
      const hasName =
        (declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration') &&
        Boolean(declaration.id);
      if (hasName) lowerInto(state, declaration);
      const value = hasName
        ? name((declaration as { id: { name: string } }).id.name, start, start)
        : lowerExpression(state, declaration);
      state.add(exported('default', value, start, end));
      return true;
    }
    case 'ExportNamedDeclaration':
      lowerNamedExports(state, node);
      return true;
    default:
      return false;
  }
}

function lowerNamedExports(state: Lowering, node: ESTree.ExportNamedDeclaration): void {
  const { start, end } = spanOf(node);
  if (node.source) {
    state.add(new ImportNode(String(node.source.value), [], start, end));
    return;
  }
  const { declaration } = node as { declaration?: ESTree.Node | null };
  if (declaration) {
    const from = state.begin();
    lowerInto(state, declaration);
    for (const made of state.since<Statement>(from)) {
      const names =
        made.kind === 'define' ? [made.name] : made.kind === 'bind' ? boundBy(made.target) : [];
      for (const own of names) state.add(exported(own, name(own, end, end), end, end));
    }
  }
  for (const { local, exported: as } of node.specifiers) {
    const span = spanOf(local);
    state.add(
      exported(textOf(as), name(textOf(local), span.start, span.end), span.start, span.end),
    );
  }
}

function exported(as: string, value: Expression, start: number, end: number): Statement {
  const target = member(name('%exports', start, start), constant(as, start, start), start, start);
  return evaluate(new AssignmentNode(target, value, undefined, false, start, end));
}

function textOf(node: ESTree.Identifier | ESTree.Literal): string {
  return node.type === 'Identifier' ? node.name : String(node.value);
}

function boundBy(pattern: Pattern): readonly string[] {
  switch (pattern.kind) {
    case 'name':
      return [pattern.name];
    case 'member':
      return [];
    case 'list-pattern':
      return pattern.items.flatMap((item) => (item === undefined ? [] : boundBy(item)));
    case 'entries-pattern': {
      const rest = pattern.rest === undefined ? [] : boundBy(pattern.rest);
      return [...pattern.entries.flatMap(({ target }) => boundBy(target)), ...rest];
    }
    default:
      return boundBy(pattern.target);
  }
}
