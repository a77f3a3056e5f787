/**
 * Unified diffs, in the format of diff -u.
 */

import { Budget } from './budget.ts';

const CONTEXT = 3;
/** Edits beyond which a shortest script is not looked for: the whole file is shown as replaced. */
const EDITS_MAX = 2000;
/** Of either side; beyond, it is only said that they differ. A guest may write a million empty ones. */
const LINES_MAX = 50_000;

interface Edit {
  readonly kind: ' ' | '-' | '+';
  readonly line: string;
}

/** @param before `undefined`, like `after`, for a side that is not text @throws BeyondBudget */
export function unifiedDiff(
  path: string,
  before: string | undefined,
  after: string | undefined,
  kind: 'added' | 'modified' | 'deleted',
  budget = Budget.unlimited(),
): string {
  // A name may hold anything, also a newline that would look like a line of the diff.
  const name = /^[\x21-\x7e\u00a0-\uffff ]+$/.test(path) ? path : JSON.stringify(path);
  const from = kind === 'added' ? '/dev/null' : `a/${name}`;
  const to = kind === 'deleted' ? '/dev/null' : `b/${name}`;
  if (before === undefined || after === undefined) return `Binary files ${from} and ${to} differ\n`;
  if (before === after) return `${kind} ${name}\n`;
  const [old, now] = [lines(before, budget), lines(after, budget)];
  if (old === undefined || now === undefined) return `Files ${from} and ${to} differ\n`;
  return `--- ${from}\n+++ ${to}\n${hunks(edits(old, now, budget))}`;
}

/** Each with its newline, so that a missing one at the end can be told; undefined where they are too many. */
function lines(text: string, budget: Budget): string[] | undefined {
  const found: string[] = [];
  for (let at = 0; at < text.length; ) {
    if (found.length === LINES_MAX) return undefined;
    budget.lines(1);
    const newline = text.indexOf('\n', at);
    const next = newline === -1 ? text.length : newline + 1;
    found.push(text.slice(at, next));
    at = next;
  }
  return found;
}

/** Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), after the equal ends are taken off. */
function edits(a: readonly string[], b: readonly string[], budget: Budget): Edit[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  ) {
    tail++;
  }
  const same = (line: string): Edit => ({ kind: ' ', line });
  return [
    ...a.slice(0, head).map(same),
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail), budget),
    ...a.slice(a.length - tail).map(same),
  ];
}

function middle(a: readonly string[], b: readonly string[], budget: Budget): Edit[] {
  // New files and what only grew or shrank in one place: there is nothing to look for.
  const trace = a.length === 0 || b.length === 0 ? undefined : search(a, b, budget);
  if (trace === undefined) {
    return [
      ...a.map((line): Edit => ({ kind: '-', line })),
      ...b.map((line): Edit => ({ kind: '+', line })),
    ];
  }
  const out: Edit[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = trace.length; d >= 0; d--) {
    const k = x - y;
    // The round before this one: diagonals -(d - 1) to d - 1.
    const v = trace[d - 1];
    const at = (diagonal: number): number => v?.[diagonal + d - 1] ?? -1;
    const down = k === -d || (k !== d && at(k - 1) < at(k + 1));
    const previous = down ? k + 1 : k - 1;
    const px = d === 0 ? 0 : at(previous);
    const py = px - (d === 0 ? 0 : previous);
    while (x > px && y > py && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      x--;
      y--;
      out.push({ kind: ' ', line: a[x] as string });
    }
    if (d === 0) break;
    if (down) out.push({ kind: '+', line: b[--y] as string });
    else out.push({ kind: '-', line: a[--x] as string });
  }
  return out.reverse();
}

/**
 * The furthest points of each round but the last; undefined when there are too many edits.
 *
 * A guest writes what is compared: numbers in place of lines and of boxed pairs, so that the worst takes some
 * milliseconds and 16 MiB, and not a second and 200.
 */
function search(
  before: readonly string[],
  after: readonly string[],
  budget: Budget,
): Int32Array[] | undefined {
  const [a, b] = numbered(before, after);
  const most = Math.min(a.length + b.length, EDITS_MAX);
  const v = new Int32Array(2 * most + 3);
  const zero = most + 1;
  const trace: Int32Array[] = [];
  for (let d = 0; d <= most; d++) {
    let steps = d + 1;
    for (let k = -d; k <= d; k += 2) {
      const [left = 0, right = 0] = [v[zero + k - 1], v[zero + k + 1]];
      const down = k === -d || (k !== d && left < right);
      let x = d === 0 ? 0 : down ? right : left + 1;
      const from = x;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      steps += x - from;
      v[zero + k] = x;
      if (x >= a.length && x - k >= b.length) return trace;
    }
    budget.steps(steps);
    trace.push(v.slice(zero - d, zero + d + 1));
  }
  return undefined;
}

/** Equal lines have equal numbers. */
function numbered(...sides: readonly (readonly string[])[]): [Int32Array, Int32Array] {
  const numbers = new Map<string, number>();
  const numberOf = (line: string): number => {
    const known = numbers.get(line) ?? numbers.size;
    if (known === numbers.size) numbers.set(line, known);
    return known;
  };
  return sides.map((lines) => Int32Array.from(lines, numberOf)) as [Int32Array, Int32Array];
}

function hunks(all: readonly Edit[]): string {
  let out = '';
  let oldLine = 1;
  let newLine = 1;
  for (let i = 0; i < all.length; ) {
    if (all[i]?.kind === ' ') {
      oldLine++;
      newLine++;
      i++;
      continue;
    }
    const start = Math.max(0, i - CONTEXT);
    let end = i;
    for (let quiet = 0; end < all.length && quiet <= 2 * CONTEXT; end++) {
      quiet = all[end]?.kind === ' ' ? quiet + 1 : 0;
    }
    while (end > i && all[end - 1]?.kind === ' ') end--;
    end = Math.min(all.length, end + CONTEXT);
    const part = all.slice(start, end);
    const oldCount = part.filter((edit) => edit.kind !== '+').length;
    const newCount = part.filter((edit) => edit.kind !== '-').length;
    const back = i - start;
    out += `@@ -${range(oldLine - back, oldCount)} +${range(newLine - back, newCount)} @@\n`;
    for (const { kind, line } of part) {
      out += line.endsWith('\n') ? kind + line : `${kind}${line}\n\\ No newline at end of file\n`;
    }
    oldLine += oldCount - back;
    newLine += newCount - back;
    i = end;
  }
  return out;
}

function range(start: number, count: number): string {
  return count === 1 ? `${start}` : `${count === 0 ? start - 1 : start},${count}`;
}
