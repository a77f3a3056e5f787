export function handler({ text }) {
  const value = JSON.parse(text);
  return JSON.stringify({ ...value, seen: true });
}
