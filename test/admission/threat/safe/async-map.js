export async function mapAll(items, work) {
  const results = [];
  for (const item of items) results.push(await work(item));
  return results;
}
