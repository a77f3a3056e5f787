/** Patterns of names: `*` is anything but `/`, `**` anything; everything else is itself. Linear in the name, whatever the pattern. */

export function matchesPattern(pattern: string, name: string): boolean {
  const parts = pattern.split(/(\*\*|\*)/).filter((part) => part !== '');
  // Where in the name the parts so far may end.
  let ends = new Set([0]);
  for (const part of parts) {
    ends =
      part === '*' || part === '**' ? afterStar(ends, name, part) : afterText(ends, name, part);
    if (ends.size === 0) return false;
  }
  return ends.has(name.length);
}

function afterText(ends: ReadonlySet<number>, name: string, text: string): Set<number> {
  const found = [...ends].filter((end) => name.startsWith(text, end));
  return new Set(found.map((end) => end + text.length));
}

function afterStar(ends: ReadonlySet<number>, name: string, star: string): Set<number> {
  const reached = new Set<number>();
  let open = false;
  for (let i = 0; i <= name.length; i++) {
    if (ends.has(i)) open = true;
    if (open) reached.add(i);
    if (star === '*' && name[i] === '/') open = false;
  }
  return reached;
}
