/** Who binds which name. There is one scope for each block and function of the source, however often it runs. */
import type { Pattern, Statement } from '../tree.ts';
import { Cell, type Closure } from './known.ts';

export class Scope {
  readonly parent: Scope | undefined;
  readonly owner: Closure;
  readonly conditions: number;
  readonly loops: number;
  #cells: Map<string, Cell> | undefined;

  constructor(parent: Scope | undefined, owner: Closure, conditions: number, loops: number) {
    this.parent = parent;
    this.owner = owner;
    this.conditions = conditions;
    this.loops = loops;
  }

  declare(name: string): Cell {
    this.#cells ??= new Map();
    let cell = this.#cells.get(name);
    if (cell === undefined) {
      cell = new Cell(this.owner, this.conditions, this.loops);
      this.#cells.set(name, cell);
    }
    return cell;
  }

  own(name: string): Cell | undefined {
    return this.#cells?.get(name);
  }

  find(name: string): Cell | undefined {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      const cell = scope.#cells?.get(name);
      if (cell !== undefined) return cell;
    }
    return undefined;
  }
}

/** Whether a block needs a scope of its own. */
export function bindsInBlock(body: readonly Statement[]): boolean {
  for (const statement of body) {
    if (statement.kind === 'define') return true;
    if (statement.kind === 'bind' && statement.scope === 'block') return true;
  }
  return false;
}

/** Names of a block itself. */
export function declareBlock(scope: Scope, body: readonly Statement[]): void {
  for (const statement of body) {
    if (statement.kind === 'bind' && statement.scope === 'block') {
      declarePattern(scope, statement.target);
    } else if (statement.kind === 'define') scope.declare(statement.name);
  }
}

/** Names that belong to the whole function (`scope` is its own) or module, wherever within it they are declared. */
export function declareFunction(scope: Scope, root: Scope, body: readonly Statement[]): void {
  for (const statement of body) {
    switch (statement.kind) {
      case 'bind':
        if (statement.scope === 'function') declarePattern(scope, statement.target);
        else if (statement.scope === 'module') declarePattern(root, statement.target);
        break;
      case 'import':
        for (const { local } of statement.bindings) scope.declare(local);
        break;
      case 'branch':
        declareFunction(scope, root, statement.then);
        declareFunction(scope, root, statement.otherwise);
        break;
      case 'try':
        declareFunction(scope, root, statement.body);
        declareFunction(scope, root, statement.handler);
        declareFunction(scope, root, statement.finalizer);
        break;
      case 'loop':
      case 'block':
      case 'leavable':
        declareFunction(scope, root, statement.body);
        break;
    }
  }
}

export function declarePattern(scope: Scope, pattern: Pattern): void {
  switch (pattern.kind) {
    case 'name':
      scope.declare(pattern.name);
      return;
    case 'member':
      return;
    case 'list-pattern':
      for (const item of pattern.items) if (item !== undefined) declarePattern(scope, item);
      return;
    case 'entries-pattern':
      for (const { target } of pattern.entries) declarePattern(scope, target);
      if (pattern.rest !== undefined) declarePattern(scope, pattern.rest);
      return;
    default:
      declarePattern(scope, pattern.target);
  }
}
