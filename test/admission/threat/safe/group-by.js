export function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) {
    const list = groups.get(item[key]) ?? [];
    list.push(item);
    groups.set(item[key], list);
  }
  return [...groups.entries()];
}
