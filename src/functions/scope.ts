/** Names by scope, and which names a piece of a syntax tree puts into one (ECMA-262, "Static Semantics: … Names"). */
import type { ESTree } from 'meriyah';

export class Scope {
  readonly #names: Set<string>;
  readonly #parent: Scope | undefined;

  constructor(names: Iterable<string>, parent?: Scope) {
    this.#names = new Set(names);
    this.#parent = parent;
  }

  has(name: string): boolean {
    return this.#names.has(name) || this.#parent?.has(name) === true;
  }
}

/** Names that a binding pattern binds. */
export function boundNames(pattern: ESTree.Node): string[] {
  switch (pattern.type) {
    case 'Identifier':
      return [pattern.name];
    case 'ArrayPattern':
      return pattern.elements.flatMap((element) => (element === null ? [] : boundNames(element)));
    case 'ObjectPattern':
      return pattern.properties.flatMap(boundNames);
    case 'Property':
      return boundNames(pattern.value);
    case 'AssignmentPattern':
      return boundNames(pattern.left);
    case 'RestElement':
      return boundNames(pattern.argument);
    default:
      return [];
  }
}

/** Of `let`, `const`, `using`, classes and functions that stand in a block itself: in strict code a block has its functions for itself. */
export function lexicalNames(statements: readonly ESTree.Node[]): string[] {
  return statements.flatMap((statement) => {
    const bare = unlabelled(statement);
    if (bare.type === 'VariableDeclaration') return bare.kind === 'var' ? [] : declared(bare);
    if (bare.type !== 'ClassDeclaration' && bare.type !== 'FunctionDeclaration') return [];
    return bare.id === null ? [] : [bare.id.name];
  });
}

export function declared(declaration: ESTree.VariableDeclaration): string[] {
  return declaration.declarations.flatMap(({ id }) => boundNames(id));
}

/** Of every `var` at or below these statements: they are the function's, however deep they stand. */
export function varNames(statements: readonly ESTree.Node[]): string[] {
  const names: string[] = [];
  const ahead: ESTree.Node[] = [...statements];
  for (let node = ahead.pop(); node !== undefined; node = ahead.pop()) {
    if (node.type === 'VariableDeclaration') {
      if (node.kind === 'var') names.push(...declared(node));
    } else if (isStatement(node)) ahead.push(...children(node));
  }
  return names;
}

/** What stands below a node. */
export function children(node: ESTree.Node): ESTree.Node[] {
  return Object.values(node).flatMap((value: unknown) =>
    Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [],
  );
}

function isNode(value: unknown): value is ESTree.Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

/** What a `var` can stand in: no expression, function or class is looked into. */
function isStatement({ type }: ESTree.Node): boolean {
  return (
    (type.endsWith('Statement') && type !== 'ExpressionStatement') ||
    type === 'CatchClause' ||
    type === 'SwitchCase'
  );
}

function unlabelled(statement: ESTree.Node): ESTree.Node {
  return statement.type === 'LabeledStatement' ? unlabelled(statement.body) : statement;
}
