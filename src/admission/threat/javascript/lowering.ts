/** What is kept while a syntax tree of JavaScript is lowered, and the limit on its depth. */
import type { ESTree } from 'meriyah';
import { ListMaker } from '../list-maker.ts';
import type { Constant, Expression, Member, Name, ProgramTree, Through } from '../tree.ts';
import { ConstantNode, MemberNode, NameNode } from './nodes.ts';

/**
 * Deeper nodes are left out. Written code stays far below (the deepest file of 30,000 in popular packages: 143);
 * the stack of a worker thread holds ten times as many.
 */
export const DEEPEST = 400;

export class Lowering extends ListMaker {
  /** Of the node that is being lowered. */
  depth = 0;
  deepest = 0;
  nodes = 0;
  readonly problems: ProgramTree['problems'][number][] = [];
  /** Variables that hold the objects of the `with` statements around, inmost last. */
  readonly withs: string[] = [];

  tooDeep(node: ESTree.Node): Through {
    const { start, end } = spanOf(node);
    this.problems.push({ message: 'nested too deeply', start, end });
    return { kind: 'through', operator: 'too-deep', of: [], start, end };
  }

  enter(): boolean {
    this.nodes++;
    if (++this.depth > this.deepest) this.deepest = this.depth;
    return this.depth <= DEEPEST;
  }
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Meriyah writes them into each node; its types leave them optional. */
export function spanOf(node: ESTree.Node): Span {
  return node as Span;
}

export function constant(value: Constant['value'], start: number, end: number): Constant {
  return new ConstantNode(value, start, end);
}

export function name(text: string, start: number, end: number): Name {
  return new NameNode(text, start, end);
}

export function member(object: Expression, key: Expression, start: number, end: number): Member {
  return new MemberNode(object, key, start, end);
}
