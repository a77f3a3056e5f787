/** What is assigned to, and parameters. */
import { member, name } from '../syntax-lowering.ts';
import type { Expression, Pattern } from '../tree.ts';
import { lowerExpression } from './expressions.ts';
import type { PythonLowering } from './lowering.ts';

/** Undefined: it is nothing that can be assigned to. */
export function lowerPattern(state: PythonLowering, node: number): Pattern | undefined {
  return state.within(
    node,
    (inner) => lowerKind(state, inner),
    () => undefined,
  );
}

function lowerKind(state: PythonLowering, node: number): Pattern | undefined {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  switch (tree.typeName(node)) {
    case 'identifier':
      return name(tree.text(node), start, end);
    case 'attribute':
    case 'subscript': {
      const target = lowerExpression(state, node);
      if (target.kind === 'member') return target;
      // A part of a list is written to: `s[a:b] = …`.
      if (target.kind !== 'call' || target.callee.kind !== 'member') return undefined;
      const key: Expression = { kind: 'list', items: target.args, start: end, end };
      return member(target.callee.object, key, start, end);
    }
    case 'pattern_list':
    case 'tuple_pattern':
    case 'list_pattern':
    case 'tuple':
    case 'list':
    case 'expression_list': {
      const items = tree.namedChildren(node).map((item) => lowerPattern(state, item));
      return { kind: 'list-pattern', items, start, end };
    }
    case 'list_splat_pattern':
    case 'list_splat': {
      const target = firstPattern(state, node);
      return target === undefined ? undefined : { kind: 'rest-pattern', target, start, end };
    }
    case 'parenthesized_expression':
    case 'as_pattern_target':
    case 'dictionary_splat_pattern':
      return firstPattern(state, node);
    default:
      return undefined;
  }
}

function firstPattern(state: PythonLowering, node: number): Pattern | undefined {
  const [first] = state.tree.namedChildren(node);
  return first === undefined ? undefined : lowerPattern(state, first);
}

/** @param node `parameters`, `lambda_parameters` */
export function lowerParameters(state: PythonLowering, node: number): Pattern[] {
  const { tree } = state;
  return tree.namedChildren(node).flatMap((parameter) => {
    const lowered = lowerParameter(state, parameter);
    return lowered === undefined ? [] : [lowered];
  });
}

function lowerParameter(state: PythonLowering, node: number): Pattern | undefined {
  const { tree } = state;
  switch (tree.typeName(node)) {
    case 'default_parameter':
    case 'typed_default_parameter': {
      const own = tree.child(node, 'name');
      const value = tree.child(node, 'value');
      const target = own < 0 ? undefined : lowerPattern(state, own);
      if (target === undefined || value < 0) return target;
      const start = tree.start(node);
      const end = tree.end(node);
      return { kind: 'default-pattern', target, value: lowerExpression(state, value), start, end };
    }
    case 'typed_parameter':
      return firstPattern(state, node);
    case 'keyword_separator':
    case 'positional_separator':
    case 'comment':
      return undefined;
    default:
      return lowerPattern(state, node);
  }
}
