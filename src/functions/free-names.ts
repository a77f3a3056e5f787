/**
 * What a function uses and does not bring along, found in its syntax tree as strict code resolves names
 * (ECMA-262, "Syntax-Directed Operations", scope analysis). Nothing is executed.
 *
 * A name is free where no scope of the function binds it. Direct eval and `Function` make code of texts, which is not
 * looked into; `typeof name` of a name that nobody binds throws nothing and is no use of it.
 */
import type { ESTree } from 'meriyah';
import { boundNames, children, declared, lexicalNames, Scope, varNames } from './scope.ts';

/** Where something is first used: line from 1, column from 1, in the text that was parsed. */
export interface FreeName {
  readonly name: string;
  readonly line: number;
  readonly column: number;
}

export interface Uses {
  /** In the order of the text, each once. */
  readonly names: readonly FreeName[];
  /** `super` of the function itself, and `import()`: what a guest cannot be given. */
  readonly impossible: readonly FreeName[];
}

type AnyFunction =
  | ESTree.FunctionDeclaration
  | ESTree.FunctionExpression
  | ESTree.ArrowFunctionExpression;

/** @param root the function's node */
export function usesOf(root: ESTree.Node): Uses {
  const walk = new Walk();
  walk.visit(root, new Scope([]));
  return { names: [...walk.names.values()], impossible: [...walk.impossible.values()] };
}

class Walk {
  readonly names = new Map<string, FreeName>();
  readonly impossible = new Map<string, FreeName>();
  /** Methods around: in those of its own classes and objects a function may say `super`. */
  #methods = 0;

  visit(node: ESTree.Node | null | undefined, scope: Scope): void {
    if (node === null || node === undefined) return;
    switch (node.type) {
      case 'Identifier':
        if (!scope.has(node.name)) note(this.names, node.name, node);
        return;
      case 'FunctionDeclaration':
      case 'FunctionExpression':
      case 'ArrowFunctionExpression':
        this.#function(node, scope);
        return;
      case 'ClassDeclaration':
      case 'ClassExpression':
        this.#class(node, scope);
        return;
      case 'BlockStatement':
        this.#all(node.body, new Scope(lexicalNames(node.body), scope));
        return;
      case 'ForStatement':
        this.#loop(node, node.init, scope);
        return;
      case 'ForInStatement':
      case 'ForOfStatement':
        this.#loop(node, node.left, scope);
        return;
      case 'SwitchStatement': {
        this.visit(node.discriminant, scope);
        const statements = node.cases.flatMap(({ consequent }) => consequent);
        this.#all(node.cases, new Scope(lexicalNames(statements), scope));
        return;
      }
      case 'CatchClause': {
        const inner = new Scope(node.param ? boundNames(node.param) : [], scope);
        if (node.param) this.#binding(node.param, inner);
        this.visit(node.body, inner);
        return;
      }
      case 'VariableDeclarator':
        this.#binding(node.id, scope);
        this.visit(node.init, scope);
        return;
      case 'MemberExpression':
        this.visit(node.object, scope);
        if (node.computed) this.visit(node.property as ESTree.Node, scope);
        return;
      case 'Property':
        if (node.computed) this.visit(node.key, scope);
        this.#member(node.value, scope, node.method || node.kind !== 'init');
        return;
      case 'LabeledStatement':
        this.visit(node.body, scope);
        return;
      case 'UnaryExpression':
        if (node.operator === 'typeof' && node.argument.type === 'Identifier') return;
        this.visit(node.argument, scope);
        return;
      case 'BinaryExpression':
      case 'LogicalExpression':
        this.#chain(node, scope);
        return;
      case 'ImportExpression':
        note(this.impossible, 'import()', node);
        this.#all(children(node), scope);
        return;
      case 'Super':
        if (this.#methods === 0) note(this.impossible, 'super', node);
        return;
      // Their identifiers are no names of variables.
      case 'BreakStatement':
      case 'ContinueStatement':
      case 'MetaProperty':
      case 'PrivateIdentifier':
        return;
      default:
        this.#all(children(node), scope);
    }
  }

  #all(nodes: readonly ESTree.Node[], scope: Scope): void {
    for (const node of nodes) this.visit(node, scope);
  }

  /** `a + b + c + …` may have thousands of members, each standing in the next. */
  #chain(node: ESTree.BinaryExpression | ESTree.LogicalExpression, scope: Scope): void {
    const rights: ESTree.Node[] = [];
    let at: ESTree.Node = node;
    while (at.type === 'BinaryExpression' || at.type === 'LogicalExpression') {
      rights.push(at.right);
      at = at.left;
    }
    this.visit(at, scope);
    this.#all(rights.reverse(), scope);
  }

  /** Defaults of parameters see the parameters, and nothing of the body. */
  #function(node: AnyFunction, scope: Scope): void {
    const own = node.type === 'FunctionExpression' && node.id !== null ? [node.id.name] : [];
    const parameters = node.params.flatMap(boundNames);
    const isArrow = node.type === 'ArrowFunctionExpression';
    const outer = own.length === 0 ? scope : new Scope(own, scope);
    const head = new Scope(isArrow ? parameters : [...parameters, 'arguments'], outer);
    for (const parameter of node.params) this.#binding(parameter, head);
    const { body } = node;
    if (body?.type !== 'BlockStatement') {
      this.visit(body, head);
      return;
    }
    const inside = [...varNames(body.body), ...lexicalNames(body.body)];
    this.#all(body.body, new Scope(inside, head));
  }

  #class(node: ESTree.ClassDeclaration | ESTree.ClassExpression, scope: Scope): void {
    const inner = new Scope(node.id === null ? [] : [node.id.name], scope);
    this.#all(node.decorators ?? [], scope);
    this.visit(node.superClass, inner);
    for (const member of node.body.body) {
      if (member.type === 'StaticBlock') {
        const names = [...varNames(member.body), ...lexicalNames(member.body)];
        this.#methods++;
        this.#all(member.body, new Scope(names, inner));
        this.#methods--;
        continue;
      }
      if (!('key' in member)) continue;
      this.#all(member.decorators ?? [], inner);
      if (member.computed) this.visit(member.key as ESTree.Node, inner);
      this.#member(member.value, inner, true);
    }
  }

  #member(value: ESTree.Node | null | undefined, scope: Scope, hasSuper: boolean): void {
    if (hasSuper) this.#methods++;
    this.visit(value, scope);
    if (hasSuper) this.#methods--;
  }

  #loop(node: ESTree.Node, head: ESTree.Node | null | undefined, scope: Scope): void {
    const isLexical = head?.type === 'VariableDeclaration' && head.kind !== 'var';
    this.#all(children(node), isLexical ? new Scope(declared(head), scope) : scope);
  }

  /** The names of a pattern are bound, not used; its defaults and computed keys are used. */
  #binding(pattern: ESTree.Node, scope: Scope): void {
    switch (pattern.type) {
      case 'Identifier':
        return;
      case 'ArrayPattern':
        for (const element of pattern.elements) if (element !== null) this.#binding(element, scope);
        return;
      case 'ObjectPattern':
        for (const property of pattern.properties) this.#binding(property, scope);
        return;
      case 'Property':
        if (pattern.computed) this.visit(pattern.key, scope);
        this.#binding(pattern.value, scope);
        return;
      case 'AssignmentPattern':
        this.#binding(pattern.left, scope);
        this.visit(pattern.right, scope);
        return;
      case 'RestElement':
        this.#binding(pattern.argument, scope);
        return;
      default:
        this.visit(pattern, scope);
    }
  }
}

function note(found: Map<string, FreeName>, name: string, { loc }: ESTree.Node): void {
  if (found.has(name)) return;
  const { line, column } = loc?.start ?? { line: 1, column: 0 };
  found.set(name, { name, line, column: column + 1 });
}
