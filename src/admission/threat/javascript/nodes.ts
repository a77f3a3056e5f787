/**
 * The nodes of which there are most. Classes rather than literals: fields of the interpreter have their place from the
 * beginning, and V8 does not come to make them in old space (as it does with literals that a young collection finds
 * alive), from where they would keep all that the interpreter ties to them.
 */

import type * as tree from '../tree.ts';
import type { Expression, FunctionValue, Pattern, Statement } from '../tree.ts';

export class ConstantNode implements tree.Constant {
  readonly kind = 'constant';
  readonly start: number;
  readonly end: number;
  readonly value: tree.Constant['value'];
  known: object | undefined = undefined;

  constructor(value: tree.Constant['value'], start: number, end: number) {
    this.start = start;
    this.end = end;
    this.value = value;
  }
}

export class NameNode implements tree.Name {
  readonly kind = 'name';
  readonly start: number;
  readonly end: number;
  readonly name: string;
  binding: object | undefined = undefined;
  use: object | undefined = undefined;

  constructor(name: string, start: number, end: number) {
    this.start = start;
    this.end = end;
    this.name = name;
  }
}

export class MemberNode implements tree.Member {
  readonly kind = 'member';
  readonly start: number;
  readonly end: number;
  readonly object: Expression;
  readonly key: Expression;
  use: object | undefined = undefined;

  constructor(object: Expression, key: Expression, start: number, end: number) {
    this.start = start;
    this.end = end;
    this.object = object;
    this.key = key;
  }
}

export class CallNode implements tree.Call {
  readonly kind = 'call';
  readonly start: number;
  readonly end: number;
  readonly form: tree.Call['form'];
  readonly callee: Expression;
  readonly args: readonly Expression[];
  readonly named: undefined = undefined;
  readonly input: undefined = undefined;
  use: object | undefined = undefined;

  constructor(
    form: tree.Call['form'],
    callee: Expression,
    args: readonly Expression[],
    start: number,
    end: number,
  ) {
    this.start = start;
    this.end = end;
    this.form = form;
    this.callee = callee;
    this.args = args;
  }
}

export class FunctionNode implements FunctionValue {
  readonly kind = 'function';
  readonly start: number;
  readonly end: number;
  readonly name: string | undefined;
  readonly parameters: readonly Pattern[];
  readonly body: readonly Statement[];
  readonly arrow: boolean;
  closure: object | undefined = undefined;

  constructor(
    name: string | undefined,
    parameters: readonly Pattern[],
    body: readonly Statement[],
    arrow: boolean,
    start: number,
    end: number,
  ) {
    this.start = start;
    this.end = end;
    this.name = name;
    this.parameters = parameters;
    this.body = body;
    this.arrow = arrow;
  }
}

export class OperationNode implements tree.Operation {
  readonly kind = 'operation';
  readonly start: number;
  readonly end: number;
  readonly operator: string;
  readonly operands: readonly Expression[];

  constructor(operator: string, operands: readonly Expression[], start: number, end: number) {
    this.start = start;
    this.end = end;
    this.operator = operator;
    this.operands = operands;
  }
}

export class ChoiceNode implements tree.Choice {
  readonly kind = 'choice';
  readonly start: number;
  readonly end: number;
  readonly test: Expression | undefined;
  readonly options: readonly Expression[];

  constructor(
    test: Expression | undefined,
    options: readonly Expression[],
    start: number,
    end: number,
  ) {
    this.start = start;
    this.end = end;
    this.test = test;
    this.options = options;
  }
}

export class AssignmentNode implements tree.Assignment {
  readonly kind = 'assignment';
  readonly start: number;
  readonly end: number;
  readonly target: Pattern;
  readonly value: Expression;
  readonly operator: string | undefined;
  readonly postfix: boolean;

  constructor(
    target: Pattern,
    value: Expression,
    operator: string | undefined,
    postfix: boolean,
    start: number,
    end: number,
  ) {
    this.start = start;
    this.end = end;
    this.target = target;
    this.value = value;
    this.operator = operator;
    this.postfix = postfix;
  }
}

type Of<Kind extends Statement['kind']> = Statement & { readonly kind: Kind };

export class EvaluateNode implements Of<'evaluate'> {
  readonly kind = 'evaluate';
  readonly start: number;
  readonly end: number;
  readonly expression: Expression;

  constructor(expression: Expression, start: number, end: number) {
    this.start = start;
    this.end = end;
    this.expression = expression;
  }
}

export class BindNode implements Of<'bind'> {
  readonly kind = 'bind';
  readonly start: number;
  readonly end: number;
  readonly scope: 'block' | 'function' | 'module';
  readonly target: Pattern;
  readonly value: Expression | undefined;

  constructor(
    scope: 'block' | 'function' | 'module',
    target: Pattern,
    value: Expression | undefined,
    start: number,
    end: number,
  ) {
    this.start = start;
    this.end = end;
    this.scope = scope;
    this.target = target;
    this.value = value;
  }
}

export class BranchNode implements Of<'branch'> {
  readonly kind = 'branch';
  readonly start: number;
  readonly end: number;
  readonly test: Expression | undefined;
  // biome-ignore lint/suspicious/noThenProperty: nothing awaits a statement.
  readonly then: readonly Statement[];
  readonly otherwise: readonly Statement[];

  constructor(
    test: Expression | undefined,
    then: readonly Statement[],
    otherwise: readonly Statement[],
    start: number,
    end: number,
  ) {
    this.start = start;
    this.end = end;
    this.test = test;
    // biome-ignore lint/suspicious/noThenProperty: nothing awaits a statement.
    this.then = then;
    this.otherwise = otherwise;
  }
}

export class LeaveNode implements Of<'leave'> {
  readonly kind = 'leave';
  readonly start: number;
  readonly end: number;
  readonly how: 'return' | 'throw' | 'break' | 'continue';
  readonly value: Expression | undefined;
  readonly target: string | undefined;

  constructor(
    how: 'return' | 'throw' | 'break' | 'continue',
    value: Expression | undefined,
    target: string | undefined,
    start: number,
    end: number,
  ) {
    this.start = start;
    this.end = end;
    this.how = how;
    this.value = value;
    this.target = target;
  }
}
