/** What is kept while a syntax tree of tree-sitter is lowered, the limit on its depth, and makers of small nodes. */
import { ERROR_TYPE, type SyntaxTree } from './syntax-tree.ts';
import type {
  Call,
  Constant,
  Expression,
  Member,
  Name,
  Operation,
  Pattern,
  ProgramTree,
  Statement,
  Through,
} from './tree.ts';

/** Deeper nodes are left out. Python itself refuses 100 levels of indentation and 200 of brackets. */
export const DEEPEST = 400;
/** So that a list of problems cannot outgrow what it is about. */
const MOST_PROBLEMS = 1000;

export class SyntaxLowering {
  readonly tree: SyntaxTree;
  depth = 0;
  deepest = 0;
  nodes = 0;
  readonly problems: ProgramTree['problems'][number][];

  constructor(tree: SyntaxTree) {
    this.tree = tree;
    this.problems = tree.problems.slice(0, MOST_PROBLEMS);
  }

  /** Below the limit, `inner`, which may go deeper; else the node is left out. */
  within<Result>(
    node: number,
    inner: (node: number) => Result,
    left: (cut: Through) => Result,
  ): Result {
    this.nodes++;
    if (++this.depth > this.deepest) this.deepest = this.depth;
    const result = this.depth <= DEEPEST ? inner(node) : left(this.tooDeep(node));
    this.depth--;
    return result;
  }

  tooDeep(node: number): Through {
    const start = this.tree.start(node);
    const end = this.tree.end(node);
    if (this.problems.length < MOST_PROBLEMS) {
      this.problems.push({ message: 'nested too deeply', start, end });
    }
    return { kind: 'through', operator: 'too-deep', of: [], start, end };
  }

  program(body: readonly Statement[]): ProgramTree {
    const { deepest, nodes, problems } = this;
    return { body, depth: deepest, nodes, problems, comments: this.tree.comments };
  }
}

export const isError = (tree: SyntaxTree, node: number): boolean => tree.type(node) === ERROR_TYPE;

export function constant(value: Constant['value'], start: number, end: number): Constant {
  return { kind: 'constant', value, start, end };
}

export function name(text: string, start: number, end: number): Name {
  return { kind: 'name', name: text, binding: undefined, start, end };
}

export function member(object: Expression, key: Expression, start: number, end: number): Member {
  return { kind: 'member', object, key, start, end };
}

export function operation(
  operator: string,
  operands: readonly Expression[],
  start: number,
  end: number,
): Operation {
  return { kind: 'operation', operator, operands, start, end };
}

export function through(
  operator: string,
  of: readonly Expression[],
  start: number,
  end: number,
): Through {
  return { kind: 'through', operator, of, start, end };
}

export function evaluate(expression: Expression): Statement {
  const { start, end } = expression;
  return { kind: 'evaluate', expression, start, end };
}

export function bind(
  scope: 'block' | 'function' | 'module',
  target: Pattern,
  value: Expression | undefined,
  start: number,
  end: number,
): Statement {
  return { kind: 'bind', scope, target, value, start, end };
}

/** A function without parameters that is called where it stands. */
export function called(body: readonly Statement[], start: number, end: number): Call {
  const callee: Expression = { kind: 'function', parameters: [], body, arrow: true, start, end };
  return { kind: 'call', form: 'call', callee, args: [], start, end };
}
