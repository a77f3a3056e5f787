/** Statements, as classes for the reason that nodes.ts gives. */
import type { Expression, FunctionValue, Pattern, Statement } from '../tree.ts';

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

export class DefineNode implements Of<'define'> {
  readonly kind = 'define';
  readonly start: number;
  readonly end: number;
  readonly name: string;
  readonly value: FunctionValue;

  constructor(name: string, value: FunctionValue, start: number, end: number) {
    this.start = start;
    this.end = end;
    this.name = name;
    this.value = value;
  }
}

export class BlockNode implements Of<'block'> {
  readonly kind = 'block';
  readonly start: number;
  readonly end: number;
  readonly body: readonly Statement[];

  constructor(body: readonly Statement[], start: number, end: number) {
    this.start = start;
    this.end = end;
    this.body = body;
  }
}

export class LeavableNode implements Of<'leavable'> {
  readonly kind = 'leavable';
  readonly start: number;
  readonly end: number;
  readonly label: string | undefined;
  readonly body: readonly Statement[];

  constructor(label: string | undefined, body: readonly Statement[], start: number, end: number) {
    this.start = start;
    this.end = end;
    this.label = label;
    this.body = body;
  }
}

export class LoopNode implements Of<'loop'> {
  readonly kind = 'loop';
  readonly start: number;
  readonly end: number;
  readonly body: readonly Statement[];
  readonly test: Expression | undefined = undefined;
  readonly item: Pattern | undefined = undefined;
  readonly over: Expression | undefined = undefined;
  readonly keys: boolean = false;
  readonly update: Expression | undefined = undefined;
  readonly atLeastOnce: boolean = false;

  constructor(
    {
      test,
      item,
      over,
      keys,
      update,
      atLeastOnce,
    }: Omit<Of<'loop'>, 'kind' | 'body' | 'start' | 'end'>,
    body: readonly Statement[],
    start: number,
    end: number,
  ) {
    this.start = start;
    this.end = end;
    this.body = body;
    this.test = test;
    this.item = item;
    this.over = over;
    this.keys = keys === true;
    this.update = update;
    this.atLeastOnce = atLeastOnce === true;
  }
}

export class TryNode implements Of<'try'> {
  readonly kind = 'try';
  readonly start: number;
  readonly end: number;
  readonly body: readonly Statement[];
  readonly caught: Pattern | undefined;
  readonly handler: readonly Statement[];
  readonly finalizer: readonly Statement[];

  constructor(
    body: readonly Statement[],
    caught: Pattern | undefined,
    handler: readonly Statement[],
    finalizer: readonly Statement[],
    start: number,
    end: number,
  ) {
    this.start = start;
    this.end = end;
    this.body = body;
    this.caught = caught;
    this.handler = handler;
    this.finalizer = finalizer;
  }
}

export class ImportNode implements Of<'import'> {
  readonly kind = 'import';
  readonly start: number;
  readonly end: number;
  readonly module: string;
  readonly bindings: Of<'import'>['bindings'];
  use: object | undefined = undefined;

  constructor(module: string, bindings: Of<'import'>['bindings'], start: number, end: number) {
    this.start = start;
    this.end = end;
    this.module = module;
    this.bindings = bindings;
  }
}
