/**
 * Unified diffs, in the format of diff -u.
 */

const CONTEXT = 3;
/** Edits beyond which a shortest script is not looked for: the whole file is shown as replaced. */
const EDITS_MAX = 2000;

interface Edit {
  readonly kind: ' ' | '-' | '+';
  readonly line: string;
}

/** `undefined` for a side that is not text. */
export function unifiedDiff(
  path: string,
  before: string | undefined,
  after: string | undefined,
  kind: 'added' | 'modified' | 'deleted',
): string {
  // A name may hold anything, also a newline that would look like a line of the diff.
  const name = /^[\x21-\x7e\u00a0-\uffff ]+$/.test(path) ? path : JSON.stringify(path);
  const from = kind === 'added' ? '/dev/null' : `a/${name}`;
  const to = kind === 'deleted' ? '/dev/null' : `b/${name}`;
  if (before === undefined || after === undefined) return `Binary files ${from} and ${to} differ\n`;
  if (before === after) return `${kind} ${name}\n`;
  return `--- ${from}\n+++ ${to}\n${hunks(edits(lines(before), lines(after)))}`;
}

/** Each with its newline, so that a missing one at the end can be told. */
function lines(text: string): string[] {
  return text === '' ? [] : (text.match(/[^\n]*\n|[^\n]+$/g) ?? []);
}

/** Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), after the equal ends are taken off. */
function edits(a: readonly string[], b: readonly string[]): Edit[] {
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
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...a.slice(a.length - tail).map(same),
  ];
}

function middle(a: readonly string[], b: readonly string[]): Edit[] {
  const trace = search(a, b);
  if (trace === undefined) {
    return [
      ...a.map((line): Edit => ({ kind: '-', line })),
      ...b.map((line): Edit => ({ kind: '+', line })),
    ];
  }
  const out: Edit[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = trace.length - 1; d >= 0; d--) {
    const v = trace[d] as Map<number, number>;
    const k = x - y;
    const at = (diagonal: number): number => v.get(diagonal) ?? -1;
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

/** The furthest points of each round; undefined when there are too many edits. */
function search(a: readonly string[], b: readonly string[]): Map<number, number>[] | undefined {
  const v = new Map<number, number>([[1, 0]]);
  const trace: Map<number, number>[] = [];
  for (let d = 0; d <= Math.min(a.length + b.length, EDITS_MAX); d++) {
    trace.push(new Map(v));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (v.get(k - 1) ?? -1) < (v.get(k + 1) ?? -1));
      let x = down ? (v.get(k + 1) ?? 0) : (v.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      v.set(k, x);
      if (x >= a.length && x - k >= b.length) return trace;
    }
  }
  return undefined;
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
