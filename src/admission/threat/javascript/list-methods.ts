/** Methods of lists whose items are known, and callbacks that go over any list. */
import type { DialectCall } from '../interpret/dialect.ts';
import { join, Known, NOTHING, ofConstant, UNKNOWN } from '../interpret/known.ts';
import { elementOf } from '../interpret/members.ts';

const MOST_MAPPED = 5000;
const MOST_ITEMS = 100_000;

/** @param method what is called on `call.receiver`, a list */
export function listMethod(
  call: DialectCall,
  list: readonly Known[],
  method: string,
): Known | undefined {
  const { args, host, receiver } = call;
  const like = receiver as Known;
  switch (method) {
    case 'join':
      return joinItems(call, like, list, args[0]);
    case 'toString':
      return joinItems(call, like, list, undefined);
    case 'reverse':
    case 'toReversed':
      return host.list(list.toReversed(), hide(like));
    case 'concat': {
      const items = [...list];
      for (const arg of args) items.push(...(arg.shape?.list ?? [arg]));
      return items.length > MOST_ITEMS ? like : host.list(items, like);
    }
    case 'slice':
      return host.list(list.slice(numberOf(args[0]), numberOf(args[1])), like);
    case 'push':
    case 'unshift':
      host.append(like, args, method === 'unshift');
      return UNKNOWN;
    case 'pop':
    case 'shift':
      return elementOf(like);
    case 'at': {
      const index = numberOf(args[0]);
      return index === undefined ? elementOf(like) : list.at(index);
    }
    case 'map':
      return mapItems(call, list);
    case 'filter':
    case 'sort':
    case 'toSorted':
    case 'flat':
    case 'splice':
    case 'fill':
      callBack(call, elementOf(like));
      return like;
    case 'forEach':
    case 'some':
    case 'every':
      callBack(call, elementOf(like));
      return UNKNOWN;
    case 'find':
    case 'findLast':
      callBack(call, elementOf(like));
      return elementOf(like);
    case 'flatMap':
      return callBack(call, elementOf(like));
    case 'reduce':
    case 'reduceRight':
      return reduceItems(call, method === 'reduce' ? list : list.toReversed());
    default:
      return undefined;
  }
}

function numberOf(value: Known | undefined): number | undefined {
  return typeof value?.constant === 'number' ? value.constant : undefined;
}

function hide(value: Known): Known {
  return new Known(undefined, undefined, value.labels, value.origins, 'computed', value.shape);
}

function joinItems(
  call: DialectCall,
  like: Known,
  list: readonly Known[],
  between: Known | undefined,
): Known | undefined {
  if (list.length > MOST_ITEMS || like.shape?.rest !== undefined) return undefined;
  if (between !== undefined && between.constant === undefined) return undefined;
  const parts: string[] = [];
  let hidden = like.hidden;
  for (const { constant, hidden: own } of list) {
    if (constant === undefined) return undefined;
    hidden ??= own;
    parts.push(constant === null ? '' : String(constant));
  }
  const text = parts.join(between === undefined ? ',' : String(between.constant));
  if (text.length > 1_000_000) return undefined;
  const { shape } = like;
  const how =
    hidden === undefined || hidden === 'split' ? (list.length > 1 ? 'split' : hidden) : hidden;
  if (how !== undefined) call.host.tell(call.node, text, how);
  return new Known(
    text,
    undefined,
    like.labels | (shape?.labels ?? 0),
    shape?.origins ?? NOTHING,
    how,
  );
}

function callBack({ args, host, node }: DialectCall, item: Known): Known {
  const [callee] = args;
  return callee === undefined ? UNKNOWN : host.invoke(callee, [item, UNKNOWN], undefined, node);
}

function mapItems(call: DialectCall, list: readonly Known[]): Known {
  const { args, host, receiver } = call;
  const [callee] = args;
  if (callee === undefined) return receiver as Known;
  if (list.length <= MOST_MAPPED) {
    const mapped: Known[] = [];
    for (const [i, item] of list.entries()) {
      const value = apply(call, callee, [item, ofConstant(i)]);
      if (value === undefined) break;
      mapped.push(value);
    }
    if (mapped.length === list.length && list.length > 0)
      return host.list(mapped, hide(receiver as Known));
  }
  const value = callBack(call, elementOf(receiver as Known));
  return host.list([value]);
}

/** One item, where it folds: by a function of the program, or by one of the language. */
function apply(call: DialectCall, callee: Known, args: readonly Known[]): Known | undefined {
  if (callee.closure !== undefined) return call.host.compute(callee, args);
  if (
    callee.path === 'global.String.fromCharCode' ||
    callee.path === 'global.String' ||
    callee.path === 'global.Number' ||
    callee.path === 'global.parseInt'
  ) {
    const value = call.host.invoke(callee, args.slice(0, 1), undefined, call.node);
    return value.constant === undefined ? undefined : value;
  }
  return undefined;
}

function reduceItems(call: DialectCall, list: readonly Known[]): Known {
  const { args, host, receiver } = call;
  const [callee, initial] = args;
  const items = initial === undefined ? list : [initial, ...list];
  if (callee?.closure !== undefined && items.length <= MOST_MAPPED && items.length > 0) {
    let total: Known | undefined = items[0];
    for (const [i, item] of items.slice(1).entries()) {
      total = total === undefined ? undefined : host.compute(callee, [total, item, ofConstant(i)]);
    }
    if (total !== undefined) return total;
  }
  const element = elementOf(receiver as Known);
  if (callee === undefined) return element;
  const once = host.invoke(callee, [initial ?? element, element], undefined, call.node);
  return join(once, initial ?? element);
}
