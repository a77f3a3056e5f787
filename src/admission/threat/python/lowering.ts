/** What is kept while Python is lowered: which names of the function around belong elsewhere. */
import { bind, name, SyntaxLowering } from '../syntax-lowering.ts';
import type { Pattern, Statement } from '../tree.ts';

/** Of a function, or of the module. */
export class Names {
  readonly globals = new Set<string>();
  readonly nonlocals = new Set<string>();
  /** Assigned within expressions: they belong to the function all the same. */
  readonly inner = new Set<string>();

  scopeOf(text: string): 'function' | 'module' | undefined {
    if (this.nonlocals.has(text)) return undefined;
    return this.globals.has(text) ? 'module' : 'function';
  }

  declarations(at: number): Statement[] {
    return [...this.inner].flatMap((text) => {
      const scope = this.scopeOf(text);
      return scope === undefined ? [] : [bind(scope, name(text, at, at), undefined, at, at)];
    });
  }

  /** The one scope that all names of a pattern belong to; undefined: there is not one. */
  scopeOfPattern(pattern: Pattern): 'function' | 'module' | undefined {
    const names = namesIn(pattern);
    const scopes = new Set(
      names.map((text) => (text === undefined ? undefined : this.scopeOf(text))),
    );
    const [scope] = scopes;
    return scopes.size === 1 ? scope : undefined;
  }

  /** So that an assignment to the pattern within an expression finds its names here. */
  keep(pattern: Pattern): void {
    for (const text of namesIn(pattern)) if (text !== undefined) this.inner.add(text);
  }
}

/** Undefined stands for what is no name. */
function namesIn(pattern: Pattern | undefined): (string | undefined)[] {
  if (pattern === undefined) return [];
  switch (pattern.kind) {
    case 'name':
      return [pattern.name];
    case 'member':
      return [undefined];
    case 'list-pattern':
      return pattern.items.flatMap(namesIn);
    case 'entries-pattern':
      return [
        ...pattern.entries.flatMap(({ target }) => namesIn(target)),
        ...namesIn(pattern.rest),
      ];
    default:
      return namesIn(pattern.target);
  }
}

export class PythonLowering extends SyntaxLowering {
  names = new Names();
  /** How many are around. */
  functions = 0;
  /** Stands within a branch, a loop or a class: what is defined there is not known in all of the function. */
  nested = false;

  inBranch<Result>(lower: () => Result): Result {
    const { nested } = this;
    this.nested = true;
    const result = lower();
    this.nested = nested;
    return result;
  }
}
