export function matches(text) {
  const pattern = /(\d+)-(\d+)/g;
  const found = [];
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text))
    found.push(match[1]);
  return found;
}
