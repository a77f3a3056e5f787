/**
 * Expressions of which there are many. Classes rather than literals: fields of the interpreter have their place from the
 * beginning, and V8 does not come to make them in old space (as it does with literals that a young collection finds
 * alive), from where they would keep all that the interpreter ties to them.
 */

import type * as tree from '../tree.ts';
import type { Entry, Expression, FunctionValue, Pattern, Statement } from '../tree.ts';

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

export class ListNode implements tree.List {
  readonly kind = 'list';
  readonly start: number;
  readonly end: number;
  readonly items: readonly Expression[];
  shape: object | undefined = undefined;

  constructor(items: readonly Expression[], start: number, end: number) {
    this.start = start;
    this.end = end;
    this.items = items;
  }
}

export class EntriesNode implements tree.Entries {
  readonly kind = 'entries';
  readonly start: number;
  readonly end: number;
  readonly entries: readonly Entry[];
  readonly isClass: boolean;
  readonly parent: Expression | undefined;
  shape: object | undefined = undefined;

  constructor(
    entries: readonly Entry[],
    isClass: boolean,
    parent: Expression | undefined,
    start: number,
    end: number,
  ) {
    this.start = start;
    this.end = end;
    this.entries = entries;
    this.isClass = isClass;
    this.parent = parent;
  }
}

export class EntryNode implements Entry {
  readonly key: Expression | undefined;
  readonly value: Expression;
  readonly accessor: 'get' | 'set' | undefined;

  constructor(key: Expression | undefined, value: Expression, accessor: 'get' | 'set' | undefined) {
    this.key = key;
    this.value = value;
    this.accessor = accessor;
  }
}

export class JoinedNode implements tree.Joined {
  readonly kind = 'joined';
  readonly start: number;
  readonly end: number;
  readonly parts: readonly Expression[];

  constructor(parts: readonly Expression[], start: number, end: number) {
    this.start = start;
    this.end = end;
    this.parts = parts;
  }
}

export class ThroughNode implements tree.Through {
  readonly kind = 'through';
  readonly start: number;
  readonly end: number;
  readonly operator: string;
  readonly of: readonly Expression[];

  constructor(operator: string, of: readonly Expression[], start: number, end: number) {
    this.start = start;
    this.end = end;
    this.operator = operator;
    this.of = of;
  }
}
