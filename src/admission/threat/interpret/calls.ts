/**
 * Calls: of functions of the program, of named things, of what is not known. Longer than other files: each of these
 * ways may lead to each other one.
 */
import type { Use } from '../facts.ts';
import { LABELS } from '../labels.ts';
import type { Call, Expression } from '../tree.ts';
import { compute } from './compute.ts';
import type { DialectHost } from './dialect.ts';
import { evaluate, evaluateKey } from './expressions.ts';
import {
  type Closure,
  headsOf,
  isBlank,
  join,
  Known,
  labelsOf,
  mergeOrigins,
  NOTHING,
  ofConstant,
  originsOf,
  Shape,
  UNKNOWN,
  withLabels,
} from './known.ts';
import {
  bindSelf,
  elementOf,
  keyOf,
  labelled,
  namedValue,
  readMember,
  writeMember,
} from './members.ts';
import { hiddenOf } from './operations.ts';
import { shown, type UseRecord } from './recorder.ts';
import { DEEPEST_CALL, gainOf, type Run } from './run.ts';
import { walkClosure } from './walk.ts';

const LONGEST_PATH = 150;
const MOST_CALLBACK_PARAMETERS = 4;

export function evaluateCall(run: Run, node: Call): Known {
  const { callee: target } = node;
  let receiver: Known | undefined;
  let callee: Known;
  let isIndirect = false;
  if (target.kind === 'member') {
    receiver = evaluate(run, target.object, true);
    const key = evaluateKey(run, target.key);
    callee = readMember(run, receiver, key);
    isIndirect =
      key.hidden !== undefined || (target.key.kind !== 'constant' && keyOf(key) !== undefined);
  } else {
    callee = evaluate(run, target, true);
    isIndirect = target.kind !== 'name' && target.kind !== 'function';
    if (target.kind === 'name' && callee.path !== undefined)
      isIndirect = isAlias(callee.path, target.name);
  }
  const args = evaluateArguments(run, node.args);
  const input = node.input === undefined ? undefined : evaluate(run, node.input);
  const named = node.named === undefined ? undefined : evaluateNamed(run, node.named);
  if (callee.also === undefined) {
    return callHead(run, node, callee, args, receiver, named, input, isIndirect);
  }
  let joined: Known | undefined;
  for (const head of headsOf(callee)) {
    joined = join(joined, callHead(run, node, head, args, receiver, named, input, isIndirect));
  }
  return joined ?? UNKNOWN;
}

/** `exec` of `child_process` under its own name is no alias. */
function isAlias(path: string, name: string): boolean {
  return !path.endsWith(name);
}

function evaluateArguments(run: Run, nodes: readonly Expression[]): readonly Known[] {
  const { lists } = run;
  const from = lists.begin();
  for (const node of nodes) {
    const value = evaluate(run, node);
    const isSpread = node.kind === 'through' && node.operator === '...';
    const list = isSpread ? value.shape?.list : undefined;
    if (list !== undefined && list.length < 1000) for (const item of list) lists.add(item);
    else lists.add(isSpread ? elementOf(value) : value);
  }
  return lists.take(from);
}

function evaluateNamed(run: Run, named: NonNullable<Call['named']>): Record<string, Known> {
  const values: Record<string, Known> = Object.create(null);
  for (const { name, value } of named) values[name] = evaluate(run, value);
  return values;
}

function callHead(
  run: Run,
  node: Call,
  callee: Known,
  args: readonly Known[],
  receiver: Known | undefined,
  named: Record<string, Known> | undefined,
  input: Known | undefined,
  isIndirect: boolean,
): Known {
  const { closure, shape, path } = callee;
  if (closure !== undefined) {
    if (node.form === 'new') return construct(run, closure, args);
    return invokeClosure(
      run,
      closure,
      named === undefined ? args : [...args, ...Object.values(named)],
      receiver,
    );
  }
  if (shape?.isClass === true) return makeInstance(run, shape, args, callee);
  if (path === undefined && node.form === 'command' && typeof callee.constant === 'string') {
    const program = run.dialect.programOf?.(callee.constant);
    if (program !== undefined) {
      const words = [...program.words.map(ofConstant), ...args];
      const named_ = new Known(undefined, program.path, callee.labels, callee.origins);
      return callHead(run, node, named_, words, receiver, named, input, true);
    }
  }
  const name = path ?? '?';
  if (path !== undefined) {
    const host = hostOf(run);
    const on = receiver ?? input;
    const done = run.dialect.call({
      node,
      path,
      form: node.form,
      args,
      receiver: on,
      callee,
      host,
    });
    if (done !== undefined) {
      if (run.dialect.tellsItself(path) || run.effectOf(path) === undefined) return done;
      const result = callPath(run, node, name, node.form, args, receiver, named, input, isIndirect);
      return isBlank(done) ? join(result, done) : withLabels(done, result.labels, result.origins);
    }
  }
  return callPath(run, node, name, node.form, args, receiver, named, input, isIndirect);
}

/** A call of a named thing: it is a use, and its result is what its effect says. */
export function callPath(
  run: Run,
  node: Call,
  path: string,
  form: Use['form'],
  args: readonly Known[],
  receiver: Known | undefined,
  named?: Record<string, Known>,
  input?: Known,
  isIndirect = false,
): Known {
  const { effect } = run.named(path);
  const isUnknown = path.charCodeAt(0) === 63;
  let use: UseRecord | undefined;
  // Methods that any object may have are of no interest, unless something is known of one.
  if (path !== '?') {
    const record = run.recorder.use(node, path, form);
    if (record !== undefined) {
      record.args = allShown(args);
      record.named = named;
      record.input = input === undefined ? undefined : shown(input);
      record.receiver = receiver === undefined ? undefined : shown(receiver);
      if (isIndirect) record.indirect = true;
      record.within = run.closure.number;
      record.under = run.under;
      record.loops = run.loops;
      use = record;
    }
  }
  let labels = 0;
  let origins: readonly Use[] = NOTHING;
  const values = named === undefined ? args : [...args, ...Object.values(named)];
  for (const value of values) {
    labels |= labelsOf(value);
    const own = originsOf(value);
    if (own.length > 0) origins = mergeOrigins(origins, own);
  }
  if (receiver !== undefined) {
    labels |= labelsOf(receiver);
    origins = mergeOrigins(origins, originsOf(receiver));
  }
  if (input !== undefined) {
    labels |= labelsOf(input);
    origins = mergeOrigins(origins, originsOf(input));
  }
  passToCallbacks(
    run,
    values,
    effect?.calls ?? 0,
    labels,
    origins,
    effect?.calls === undefined ? undefined : use,
  );
  if (effect?.passes === false) {
    labels = 0;
    origins = NOTHING;
  }
  labels |= (effect?.gives ?? 0) | (effect?.marks ?? 0);
  if (use !== undefined && (!isUnknown || effect !== undefined))
    origins = mergeOrigins(origins, use.itself);
  const on = receiver ?? input;
  const folded = effect?.fold?.(allShown(args), on === undefined ? undefined : shown(on));
  if (folded !== undefined) {
    const isDecoded = ((effect?.marks ?? 0) & LABELS.decoded) !== 0;
    const hidden = isDecoded ? 'encoded' : hiddenOf(on === undefined ? values : [...values, on]);
    if (typeof folded === 'string' && hidden !== undefined) {
      run.recorder.folded(folded, node.start, node.end, hidden);
    }
    return new Known(folded, undefined, labels, origins, hidden);
  }
  const named_ = effect?.names?.(args);
  if (named_ !== undefined) return new Known(undefined, named_, labels, origins);
  if ((isUnknown && !path.includes('constructor')) || path.length > LONGEST_PATH) {
    return labelled(labels, origins);
  }
  return namedValue(run.member(path, '()'), labels, origins);
}

function allShown(args: readonly Known[]): readonly Known[] {
  for (const { shape, closure } of args) {
    if (shape !== undefined || closure !== undefined) return args.map(shown);
  }
  return args;
}

/** Functions that are handed to something else are called by it, with what it has. */
function passToCallbacks(
  run: Run,
  args: readonly Known[],
  calls: number,
  labels: number,
  origins: readonly Use[],
  use: UseRecord | undefined,
): void {
  for (const value of args) {
    if (value.closure === undefined && value.also === undefined) continue;
    for (const { closure } of headsOf(value)) {
      if (closure === undefined) continue;
      const from = use === undefined ? origins : mergeOrigins(origins, use.itself);
      const given = labelled(labels | calls, from);
      const count = Math.min(closure.node.parameters.length, MOST_CALLBACK_PARAMETERS);
      invokeClosure(
        run,
        closure,
        Array.from({ length: count }, () => given),
        undefined,
      );
    }
  }
}

export function invokeClosure(
  run: Run,
  closure: Closure,
  args: readonly Known[],
  self: Known | undefined,
): Known {
  if (closure.sink !== undefined) {
    run.assign(closure.sink, args[0] ?? UNKNOWN);
    return UNKNOWN;
  }
  const computed = compute(run, closure, args);
  if (computed !== undefined) return computed;
  let gain = 0;
  for (let i = 0; i < args.length && i < 64; i++) {
    const before = closure.args[i];
    const after = join(before, args[i]);
    if (after !== before) {
      closure.args[i] = after;
      gain = Math.max(gain, gainOf(before, after, args[i] ?? UNKNOWN));
    }
  }
  if (self !== undefined && closure.node.arrow !== true) {
    if (closure.self === undefined || isBlank(closure.self)) closure.self = self;
  }
  if (closure.walks === 0) {
    if (run.depth < DEEPEST_CALL && !closure.isWalking) walkClosure(run, closure);
  } else if (gain > 0) run.enqueue(closure, gain);
  run.watch(closure.returns);
  return closure.returns.all ?? UNKNOWN;
}

/** `new F()`: an object with what F's prototype has and F puts into `this`. */
function construct(run: Run, closure: Closure, args: readonly Known[]): Known {
  closure.instance ??= new Shape(closure.node.start, closure.node.end);
  const made = new Known(undefined, undefined, 0, NOTHING, undefined, closure.instance);
  closure.self =
    closure.self === undefined || isBlank(closure.self) ? made : join(closure.self, made);
  const returned = invokeClosure(run, closure, args, made);
  return returned.shape === undefined && returned.closure === undefined
    ? made
    : join(made, returned);
}

function makeInstance(run: Run, shape: Shape, args: readonly Known[], callee: Known): Known {
  const made = new Known(undefined, undefined, callee.labels, callee.origins, undefined, shape);
  const own = shape.cells?.get(run.dialect.constructorKey)?.all;
  const run_ = own ?? shape.parent?.shape?.cells?.get(run.dialect.constructorKey)?.all;
  if (run_?.closure !== undefined) {
    bindSelf(run_, shape);
    invokeClosure(run, run_.closure, args, made);
  }
  return made;
}

function hostOf(run: Run): DialectHost {
  run.host ??= new Host(run);
  return run.host;
}

/** A class, since functions that are properties of a literal are made in old space, and would keep the run from there. */
class Host implements DialectHost {
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  invoke(callee: Known, args: readonly Known[], self: Known | undefined, node: Call): Known {
    let joined: Known | undefined;
    for (const head of headsOf(callee)) {
      const value = callHead(this.#run, node, head, args, self, undefined, undefined, true);
      joined = join(joined, value);
    }
    return joined ?? UNKNOWN;
  }

  member(object: Known, key: Known): Known {
    return readMember(this.#run, object, key);
  }

  write(object: Known, key: Known, value: Known): void {
    writeMember(this.#run, object, keyOf(key), value);
  }

  list(items: readonly Known[], like?: Known): Known {
    this.#run.spend(items.length);
    return this.#run.listOf(items, 0, 0, like);
  }

  use(
    node: Call,
    path: string,
    form: 'call' | 'new' | 'import',
    args: readonly Known[],
    receiver?: Known,
  ): Known {
    return callPath(this.#run, node, path, form, args, receiver, undefined, undefined, false);
  }

  tell(node: Call, text: string, hidden: Known['hidden']): void {
    this.#run.recorder.folded(text, node.start, node.end, hidden);
  }

  compute(callee: Known, args: readonly Known[]): Known | undefined {
    const { closure } = callee;
    return closure === undefined ? undefined : compute(this.#run, closure, args);
  }

  append({ shape }: Known, values: readonly Known[], atStart = false): void {
    if (shape === undefined) return;
    for (const value of values) shape.add(value);
    const { loops, conditions, closure } = this.#run;
    const isOrdered = loops === 0 && conditions === 0 && shape.list !== undefined;
    if (isOrdered && closure.walks <= 1 && (shape.list?.length ?? 0) < 10_000) {
      if (atStart) shape.list?.unshift(...values);
      else shape.list?.push(...values);
    } else for (const value of values) shape.rest = join(shape.rest, value);
  }

  sink(node: Call): { readonly callee: Known; readonly value: () => Known } {
    const run = this.#run;
    const closure = run.closureOf({
      kind: 'function',
      parameters: [],
      body: [],
      arrow: true,
      start: node.start,
      end: node.end,
    });
    const sink = run.newCell();
    closure.sink = sink;
    const value = (): Known => {
      run.watch(sink);
      return sink.all ?? UNKNOWN;
    };
    return { callee: closure.value, value };
  }
}
