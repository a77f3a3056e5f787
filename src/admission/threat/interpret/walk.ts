/** Statements in their order, functions as they are called or, those that nobody calls, at the end. */
import type { Pattern, Statement } from '../tree.ts';
import { assignPattern, takesApart } from './assignments.ts';
import { evaluate, underOf } from './expressions.ts';
import { type Closure, join, Known, UNKNOWN } from './known.ts';
import { elementOf, labelled } from './members.ts';
import type { UseRecord } from './recorder.ts';
import { gainOf, type Run } from './run.ts';
import { bindsInBlock, declareBlock, declareFunction, declarePattern, Scope } from './scope.ts';

export function walkClosure(run: Run, closure: Closure): void {
  const { closure: around, scope, conditions, loops, under, exits, breakables, depth } = run;
  closure.walks++;
  closure.isWalking = true;
  closure.isQueued = false;
  run.closure = closure;
  run.scope = closure.scope;
  run.conditions = 0;
  run.loops = 0;
  run.under = closure.number === 0 ? undefined : run.under;
  run.breakables = 0;
  run.depth++;
  const { node } = closure;
  if (closure.walks === 1) {
    for (const parameter of node.parameters) declarePattern(closure.scope, parameter);
    declareFunction(closure.scope, run.root, node.body);
    declareBlock(closure.scope, node.body);
    if (
      node.name !== undefined &&
      closure.scope.own(node.name) === undefined &&
      closure.number > 0
    ) {
      const own = closure.scope.declare(node.name);
      own.all = new Known(undefined, undefined, 0, [], undefined, undefined, closure);
      own.current = own.all;
    }
  }
  for (let i = 0; i < node.parameters.length; i++) {
    const parameter = node.parameters[i] as Pattern;
    const isRest = parameter.kind === 'rest-pattern';
    const value = isRest
      ? run.listOf(
          closure.args.slice(i).map((arg) => arg ?? UNKNOWN),
          node.start,
          node.start,
        )
      : (closure.args[i] ?? UNKNOWN);
    assignPattern(run, parameter, value);
  }
  define(run, node.body);
  walkStatements(run, node.body);
  closure.isWalking = false;
  run.closure = around;
  run.scope = scope;
  run.conditions = conditions;
  run.loops = loops;
  run.under = under;
  run.exits = exits;
  run.breakables = breakables;
  run.depth = depth;
}

/** Declared functions are known before the first statement. */
function define(run: Run, body: readonly Statement[]): void {
  for (const statement of body) {
    if (statement.kind !== 'define') continue;
    const cell = run.scope.declare(statement.name);
    run.assign(cell, evaluate(run, statement.value));
  }
}

function walkBlock(run: Run, body: readonly Statement[]): void {
  if (!bindsInBlock(body)) {
    walkStatements(run, body);
    return;
  }
  const around = run.scope;
  let scope = run.blocks.get(body);
  if (scope === undefined) {
    scope = new Scope(around, run.closure, run.conditions, run.loops);
    run.blocks.set(body, scope);
    declareBlock(scope, body);
  }
  run.scope = scope;
  define(run, body);
  walkStatements(run, body);
  run.scope = around;
}

export function walkStatements(run: Run, body: readonly Statement[]): void {
  for (const statement of body) walkStatement(run, statement);
}

function walkStatement(run: Run, node: Statement): void {
  run.step();
  switch (node.kind) {
    case 'evaluate':
      evaluate(run, node.expression);
      return;
    case 'bind':
      if (node.value !== undefined)
        assignPattern(run, node.target, evaluate(run, node.value, takesApart(node.target)));
      return;
    case 'define':
      return;
    case 'import':
      walkImport(run, node);
      return;
    case 'branch': {
      const around = run.under;
      if (node.test !== undefined) run.under = underOf(around, evaluate(run, node.test));
      run.conditions++;
      if (run.closure.walks === 1) run.decisions++;
      walkBlock(run, node.then);
      walkBlock(run, node.otherwise);
      run.conditions--;
      run.under = around;
      return;
    }
    case 'loop':
      walkLoop(run, node);
      return;
    case 'try':
      walkBlock(run, node.body);
      run.conditions++;
      if (node.caught !== undefined) {
        const around = run.scope;
        let scope = run.blocks.get(node);
        if (scope === undefined) {
          scope = new Scope(around, run.closure, run.conditions, run.loops);
          run.blocks.set(node, scope);
          declarePattern(scope, node.caught);
          declareBlock(scope, node.handler);
        }
        run.scope = scope;
        define(run, node.handler);
        walkStatements(run, node.handler);
        run.scope = around;
      } else walkBlock(run, node.handler);
      run.conditions--;
      walkBlock(run, node.finalizer);
      return;
    case 'leave': {
      if (node.how === 'return' || node.how === 'throw' || node.target !== undefined) run.exits++;
      else if (node.how === 'break' && run.breakables === 0) run.exits++;
      if (node.value === undefined) return;
      const value = evaluate(run, node.value);
      if (node.how === 'return') {
        const { returns } = run.closure;
        const before = returns.all;
        returns.all = join(before, value);
        if (returns.all !== before) run.changed(returns, gainOf(before, returns.all, value));
      }
      return;
    }
    case 'leavable':
      run.breakables += node.label === undefined ? 1 : 0;
      walkBlock(run, node.body);
      run.breakables -= node.label === undefined ? 1 : 0;
      return;
    case 'block':
      walkBlock(run, node.body);
  }
}

function walkImport(run: Run, node: Statement & { kind: 'import' }): void {
  const path = run.dialect.moduleOf(node.module);
  const use = run.recorder.use(node, path, 'import');
  if (use !== undefined) use.within = run.closure.number;
  for (const { imported, local } of node.bindings) {
    const cell = run.scope.find(local) ?? run.scope.declare(local);
    run.assign(cell, new Known(undefined, run.dialect.importedOf(path, imported)));
  }
}

function walkLoop(run: Run, node: Statement & { kind: 'loop' }): void {
  const { exits, breakables, under } = run;
  run.breakables = 0;
  const from = run.recorder.uses.length;
  const over = node.over === undefined ? undefined : evaluate(run, node.over);
  run.loops++;
  run.conditions++;
  if (node.test !== undefined) run.under = underOf(under, evaluate(run, node.test));
  if (node.item !== undefined && over !== undefined) {
    const item = node.keys === true ? labelled(over.labels, over.origins) : elementOf(over);
    assignPattern(run, node.item, item);
  }
  walkBlock(run, node.body);
  if (node.update !== undefined) evaluate(run, node.update);
  run.loops--;
  run.conditions--;
  run.under = under;
  run.breakables = breakables;
  if (run.closure.walks > 1) return;
  run.decisions++;
  const left = run.exits - exits;
  const isEndless = node.test === undefined && over === undefined && left === 0;
  run.recorder.loops.push({ start: node.start, end: node.end, endless: isEndless, exits: left });
  if (!isEndless) return;
  for (const use of run.recorder.uses.slice(from) as UseRecord[]) {
    if (use.start >= node.start && use.end <= node.end) use.endlessLoop = true;
  }
}
