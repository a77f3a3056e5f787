/** Functions in an order in which each comes after those that it calls; those that call in a circle are left out. */
export function calleesFirst(
  count: number,
  callees: (index: number) => readonly number[],
): number[] {
  const callers: number[][] = Array.from({ length: count }, () => []);
  const waiting = new Int32Array(count);
  for (let index = 0; index < count; index++) {
    for (const callee of new Set(callees(index))) {
      // Imported ones are there before all.
      if (callee < 0) continue;
      callers[callee]?.push(index);
      waiting[index] = (waiting[index] ?? 0) + 1;
    }
  }
  const order: number[] = [];
  for (let index = 0; index < count; index++) if (waiting[index] === 0) order.push(index);
  for (let next = 0; next < order.length; next++)
    for (const caller of callers[order[next] as number] ?? []) {
      const left = (waiting[caller] ?? 0) - 1;
      waiting[caller] = left;
      if (left === 0) order.push(caller);
    }
  return order;
}
