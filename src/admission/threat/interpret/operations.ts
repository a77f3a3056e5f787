/** Operators and texts that are put together: folded where all parts are known, else what they are made of. */
import type { Use } from '../facts.ts';
import type { Expression, Joined, Operation } from '../tree.ts';
import { evaluate } from './expressions.ts';
import { join, Known, labelsOf, mergeOrigins, NOTHING, ofConstant, originsOf } from './known.ts';
import { labelled } from './members.ts';
import type { Run } from './run.ts';

const MOST_TEXT = 1_000_000;

export function evaluateOperation(run: Run, node: Operation): Known {
  const operands: Known[] = [];
  for (const operand of node.operands) operands.push(evaluate(run, operand));
  return operate(run, node.operator, operands, node);
}

export function operate(
  run: Run,
  operator: string,
  operands: readonly Known[],
  node: Expression,
): Known {
  let labels = 0;
  let origins: readonly Use[] = NOTHING;
  let varying = -1;
  let isKnown = true;
  let hasShape = false;
  for (let i = 0; i < operands.length; i++) {
    const operand = operands[i] as Known;
    labels |= labelsOf(operand);
    const own = originsOf(operand);
    if (own.length > 0) origins = mergeOrigins(origins, own);
    if (operand.constant === undefined) isKnown = false;
    if (operand.shape !== undefined) hasShape = true;
    if (operand.also !== undefined && varying < 0) varying = i;
  }
  if (operator === '!' && operands[0]?.shape !== undefined && operands[0].also === undefined) {
    return new Known(false, undefined, labels, origins);
  }
  if (isKnown || hasShape) {
    const constant = run.dialect.operate(operator, operands.map(constantOf));
    if (constant !== undefined) {
      const isSplit = operator === '+' && typeof constant === 'string';
      const hidden = hiddenOf(operands) ?? (isSplit && operands.length > 1 ? 'split' : undefined);
      if (typeof constant === 'string' && constant.length > 64) run.spend(constant.length >> 6);
      if (hidden !== undefined && typeof constant === 'string') {
        run.recorder.folded(constant, node.start, node.end, hidden);
      }
      let folded = new Known(constant, undefined, labels, origins, hidden);
      for (const other of varying < 0 ? NOTHING_KNOWN : (operands[varying]?.also ?? [])) {
        const next = operands.map((operand, i) => constantOf(i === varying ? other : operand));
        const also = next.includes(undefined) ? undefined : run.dialect.operate(operator, next);
        if (also !== undefined)
          folded = join(folded, new Known(also, undefined, labels, origins, hidden));
      }
      return folded;
    }
  }
  return labelled(labels, origins);
}

const NOTHING_KNOWN: readonly Known[] = [];

/** Lists of constants are texts to operators, as `[] + []` is; others are not known. */
function constantOf(value: Known): Known['constant'] {
  const list = value.shape?.list;
  if (list === undefined || value.shape?.rest !== undefined || list.length > 10_000)
    return value.constant;
  if (list.some(({ constant }) => constant === undefined))
    return list.length === 0 ? '' : undefined;
  return list.map(({ constant }) => (constant === null ? '' : String(constant))).join(',');
}

export function hiddenOf(values: readonly Known[]): Known['hidden'] {
  for (const { hidden } of values) if (hidden !== undefined && hidden !== 'split') return hidden;
  for (const { hidden } of values) if (hidden !== undefined) return hidden;
  return undefined;
}

export function evaluateJoined(run: Run, node: Joined): Known {
  const parts = node.parts.map((part) => evaluate(run, part));
  if (parts.length === 0) return ofConstant('');
  if (parts.length === 1 && typeof parts[0]?.constant === 'string') return parts[0];
  let labels = 0;
  let origins: readonly Use[] = NOTHING;
  let text: string | undefined = '';
  for (const part of parts) {
    labels |= labelsOf(part);
    origins = mergeOrigins(origins, originsOf(part));
    const constant = constantOf(part);
    text =
      constant === undefined || text === undefined || text.length > MOST_TEXT
        ? undefined
        : text + String(constant);
  }
  if (text === undefined) return labelled(labels, origins);
  run.recorder.folded(text, node.start, node.end, hiddenOf(parts) ?? 'split');
  return new Known(text, undefined, labels, origins, hiddenOf(parts) ?? 'split');
}
