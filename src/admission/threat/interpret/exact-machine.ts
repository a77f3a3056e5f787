/**
 * Runs functions of the tree on exact values, statement by statement. Longer than other files: statements, patterns and
 * expressions call each other, and none has a meaning alone.
 */
import type { Call, Expression, Member, Pattern, Statement } from '../tree.ts';
import {
  Environment,
  type Exact,
  ExactFunction,
  ExactObject,
  Inexact,
  type Machine,
  spend,
  Thrown,
} from './exact-values.ts';
import type { Scope } from './scope.ts';

const DEEPEST = 60;

interface Frame {
  readonly machine: Machine;
  readonly scope: Scope;
  environment: Environment;
  returned: Exact;
}

type Completion = 'next' | 'return' | 'break' | 'continue';

export function callFunction(
  machine: Machine,
  callee: ExactFunction,
  args: readonly Exact[],
  self: Exact,
): Exact {
  if (machine.depth >= DEEPEST) throw new Inexact();
  spend(machine);
  machine.depth++;
  const environment = new Environment(callee.around);
  const frame: Frame = { machine, scope: callee.scope, environment, returned: undefined };
  const { node } = callee;
  if (node.arrow !== true) {
    environment.names.set('this', self);
    environment.names.set('arguments', [...args]);
  }
  node.parameters.forEach((parameter, i) => {
    if (parameter.kind === 'rest-pattern') bind(frame, parameter.target, args.slice(i), true);
    else bind(frame, parameter, args[i], true);
  });
  declare(environment, node.body);
  hoist(frame, node.body);
  execute(frame, node.body);
  machine.depth--;
  return frame.returned;
}

/** Variables of the function exist from its beginning. */
function declare(environment: Environment, body: readonly Statement[]): void {
  for (const statement of body) {
    switch (statement.kind) {
      case 'bind':
        if (statement.scope === 'function' && statement.target.kind === 'name') {
          if (!environment.names.has(statement.target.name))
            environment.names.set(statement.target.name, undefined);
        }
        break;
      case 'branch':
        declare(environment, statement.then);
        declare(environment, statement.otherwise);
        break;
      case 'try':
        declare(environment, statement.body);
        declare(environment, statement.handler);
        break;
      case 'loop':
      case 'block':
      case 'leavable':
        declare(environment, statement.body);
    }
  }
}

function hoist(frame: Frame, body: readonly Statement[]): void {
  for (const statement of body) {
    if (statement.kind === 'define')
      frame.environment.names.set(statement.name, evaluate(frame, statement.value));
  }
}

function executeBlock(frame: Frame, body: readonly Statement[]): Completion {
  const around = frame.environment;
  frame.environment = new Environment(around);
  try {
    hoist(frame, body);
    return execute(frame, body);
  } finally {
    frame.environment = around;
  }
}

function execute(frame: Frame, body: readonly Statement[]): Completion {
  for (const statement of body) {
    const completion = executeOne(frame, statement);
    if (completion !== 'next') return completion;
  }
  return 'next';
}

function executeOne(frame: Frame, node: Statement): Completion {
  const { machine } = frame;
  spend(machine);
  switch (node.kind) {
    case 'evaluate':
      evaluate(frame, node.expression);
      return 'next';
    case 'bind':
      if (node.scope === 'block' || node.value !== undefined) {
        const value = node.value === undefined ? undefined : evaluate(frame, node.value);
        bind(frame, node.target, value, node.scope === 'block');
      }
      return 'next';
    case 'define':
      return 'next';
    case 'branch': {
      const isTaken = node.test === undefined || machine.exact.isTrue(evaluate(frame, node.test));
      return executeBlock(frame, isTaken ? node.then : node.otherwise);
    }
    case 'loop':
      return executeLoop(frame, node);
    case 'try': {
      const { depth } = machine;
      const { environment } = frame;
      let completion: Completion;
      try {
        completion = executeBlock(frame, node.body);
      } catch (error) {
        if (!(error instanceof Thrown)) throw error;
        machine.depth = depth;
        frame.environment = environment;
        if (node.caught !== undefined) frame.environment = new Environment(environment);
        if (node.caught !== undefined) bind(frame, node.caught, new ExactObject(), true);
        completion = executeBlock(frame, node.handler);
        frame.environment = environment;
      }
      const last = executeBlock(frame, node.finalizer);
      return last === 'next' ? completion : last;
    }
    case 'leave':
      if (node.target !== undefined) throw new Inexact();
      if (node.how === 'throw') throw new Thrown();
      if (node.how === 'return')
        frame.returned = node.value === undefined ? undefined : evaluate(frame, node.value);
      return node.how;
    case 'leavable': {
      const completion = executeBlock(frame, node.body);
      return completion === 'break' && node.label === undefined ? 'next' : completion;
    }
    case 'block':
      return executeBlock(frame, node.body);
    default:
      throw new Inexact();
  }
}

function executeLoop(frame: Frame, node: Statement & { kind: 'loop' }): Completion {
  const { machine } = frame;
  if (node.over !== undefined) {
    const over = evaluate(frame, node.over);
    const items = typeof over === 'string' ? [...over] : over;
    if (!Array.isArray(items) || node.item === undefined) throw new Inexact();
    for (const [i, item] of items.entries()) {
      bind(frame, node.item, node.keys === true ? String(i) : item, false);
      const completion = executeBlock(frame, node.body);
      if (completion === 'break') break;
      if (completion === 'return') return completion;
    }
    return 'next';
  }
  let isFirst = node.atLeastOnce === true;
  for (;;) {
    spend(machine);
    if (!isFirst && node.test !== undefined && !machine.exact.isTrue(evaluate(frame, node.test)))
      break;
    isFirst = false;
    const completion = executeBlock(frame, node.body);
    if (completion === 'break') break;
    if (completion === 'return') return completion;
    if (node.update !== undefined) evaluate(frame, node.update);
  }
  return 'next';
}

function bind(frame: Frame, pattern: Pattern, value: Exact, isNew: boolean): void {
  switch (pattern.kind) {
    case 'name': {
      const { name } = pattern;
      if (isNew) {
        frame.environment.names.set(name, value);
        return;
      }
      const holder = frame.environment.holder(name);
      if (holder !== undefined) holder.names.set(name, value);
      else frame.machine.assignFree(name, frame.scope, value);
      return;
    }
    case 'member': {
      const object = evaluate(frame, pattern.object);
      const key = evaluate(frame, pattern.key);
      write(object, key, value);
      return;
    }
    case 'default-pattern':
      bind(
        frame,
        pattern.target,
        value === undefined ? evaluate(frame, pattern.value) : value,
        isNew,
      );
      return;
    case 'list-pattern': {
      if (!Array.isArray(value)) throw new Inexact();
      for (const [i, item] of pattern.items.entries()) {
        if (item?.kind === 'rest-pattern') bind(frame, item.target, value.slice(i), isNew);
        else if (item !== undefined) bind(frame, item, value[i], isNew);
      }
      return;
    }
    default:
      throw new Inexact();
  }
}

function write(object: Exact, key: Exact, value: Exact): void {
  if (Array.isArray(object)) {
    const index = Number(key);
    if (!Number.isInteger(index) || index < 0 || index > 100_000) throw new Inexact();
    object[index] = value;
  } else if (
    object instanceof ExactObject &&
    (typeof key === 'string' || typeof key === 'number')
  ) {
    object.entries.set(String(key), value);
  } else throw new Inexact();
}

function evaluate(frame: Frame, node: Expression): Exact {
  const { machine } = frame;
  spend(machine);
  switch (node.kind) {
    case 'constant':
      return node.value;
    case 'name': {
      const holder = frame.environment.holder(node.name);
      if (holder !== undefined) return holder.names.get(node.name);
      if (node.name === 'undefined') return undefined;
      return machine.free(node.name, frame.scope);
    }
    case 'member':
      return member(machine, evaluate(frame, node.object), evaluate(frame, node.key));
    case 'call':
      return call(frame, node);
    case 'function':
      return new ExactFunction(node, frame.environment, frame.scope);
    case 'operation':
      return operation(
        machine,
        node.operator,
        node.operands.map((operand) => evaluate(frame, operand)),
      );
    case 'joined':
      return node.parts
        .map((part) => String(machine.exact.primitive(evaluate(frame, part))))
        .join('');
    case 'list':
      return items(frame, node.items);
    case 'entries': {
      const object = new ExactObject();
      for (const { key, value, accessor } of node.entries) {
        if (key === undefined || accessor !== undefined || node.isClass === true)
          throw new Inexact();
        object.entries.set(
          String(machine.exact.primitive(evaluate(frame, key))),
          evaluate(frame, value),
        );
      }
      return object;
    }
    case 'choice': {
      if (node.test === undefined) throw new Inexact();
      const isFirst = machine.exact.isTrue(evaluate(frame, node.test));
      return evaluate(frame, node.options[isFirst ? 0 : 1] as Expression);
    }
    case 'assignment': {
      const { target, operator } = node;
      if (operator === undefined) {
        const value = evaluate(frame, node.value);
        bind(frame, target, value, false);
        return value;
      }
      if (target.kind !== 'name' && target.kind !== 'member') throw new Inexact();
      const before = evaluate(frame, target);
      const after = operation(machine, operator, [before, evaluate(frame, node.value)]);
      bind(frame, target, after, false);
      return node.postfix === true ? before : after;
    }
    case 'through': {
      if (node.operator !== ',' && node.operator !== '...') throw new Inexact();
      let last: Exact;
      for (const part of node.of) last = evaluate(frame, part);
      return last;
    }
  }
}

function items(frame: Frame, nodes: readonly Expression[]): Exact[] {
  const made: Exact[] = [];
  for (const node of nodes) {
    const value = evaluate(frame, node);
    if (node.kind === 'through' && node.operator === '...') {
      if (typeof value === 'string') made.push(...value);
      else if (Array.isArray(value) && value.length < 10_000) made.push(...value);
      else throw new Inexact();
    } else made.push(value);
  }
  return made;
}

function operation(machine: Machine, operator: string, operands: readonly Exact[]): Exact {
  const { exact } = machine;
  if (operands.length === 1 && operator === '!') return !exact.isTrue(operands[0]);
  if (operator === 'void') return undefined;
  if ((operator === '===' || operator === '!==') && operands.includes(undefined)) {
    return (operands[0] === operands[1]) === (operator === '===');
  }
  const constants = operands.map((operand) => exact.primitive(operand));
  const text = constants.find((constant) => typeof constant === 'string');
  if (typeof text === 'string' && text.length > 1000) spend(machine, text.length >> 6);
  const value = machine.operate(operator, constants);
  if (value === undefined) throw new Inexact();
  return value;
}

function member(machine: Machine, object: Exact, key: Exact): Exact {
  if (object === undefined || object === null) throw new Thrown();
  if (Array.isArray(object) && typeof key === 'number') return object[key];
  const name = String(machine.exact.primitive(key));
  if (object instanceof ExactObject) {
    if (!object.entries.has(name)) throw new Inexact();
    return object.entries.get(name);
  }
  return machine.exact.member(object, name);
}

function call(frame: Frame, node: Call): Exact {
  const { machine } = frame;
  if (node.form !== 'call' || node.named !== undefined || node.input !== undefined)
    throw new Inexact();
  const { callee: target } = node;
  const invoke = (callee: Exact, args: readonly Exact[]): Exact => {
    if (callee instanceof ExactFunction) return callFunction(machine, callee, args, undefined);
    if (isNamed(callee)) return machine.exact.call(callee.path, args);
    throw new Inexact();
  };
  if (target.kind === 'member') return callMember(frame, target, node, invoke);
  return invoke(evaluate(frame, target), items(frame, node.args));
}

function callMember(
  frame: Frame,
  target: Member,
  node: Call,
  invoke: (callee: Exact, args: readonly Exact[]) => Exact,
): Exact {
  const { machine } = frame;
  const object = evaluate(frame, target.object);
  const name = String(machine.exact.primitive(evaluate(frame, target.key)));
  const args = items(frame, node.args);
  if (object === undefined || object === null) throw new Thrown();
  if (object instanceof ExactObject) return invoke(object.entries.get(name), args);
  if (object instanceof ExactFunction) {
    if (name === 'call') return callFunction(machine, object, args.slice(1), args[0]);
    if (name === 'apply')
      return callFunction(machine, object, Array.isArray(args[1]) ? args[1] : [], args[0]);
    throw new Inexact();
  }
  if (isNamed(object)) return machine.exact.call(`${object.path}.${name}`, args);
  return machine.exact.method(machine, object, name, args, invoke);
}

function isNamed(value: Exact): value is { readonly path: string } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && 'path' in value;
}
