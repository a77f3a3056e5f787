/**
 * Protected patterns: what stays as it is below the workspace, whether it exists yet or not.
 *
 * `*` stands for any part of one component, `**` for any number of components, none included.
 * A pattern covers what matches it and everything below.
 */

/** Why `pattern` is not one, or nothing. */
export function protectFault(pattern: string): { message: string; hint?: string } | undefined {
  const text = pattern.startsWith('!') ? pattern.slice(1) : pattern;
  const shown = JSON.stringify(pattern.length > 80 ? `${pattern.slice(0, 77)}...` : pattern);
  if (text === '') return { message: 'a protected path is empty' };
  if (text.includes('\0')) return { message: `${shown} holds a NUL byte` };
  if (/^[/~$]/.test(text)) {
    return {
      message: `${shown} is not below the workspace`,
      hint: 'write it relative to the workspace',
    };
  }
  const components = text.split('/');
  if (components.some((part) => part === '' || part === '.' || part === '..')) {
    return {
      message: `${shown} is not normal`,
      hint: 'write it without ., .., double or closing slashes',
    };
  }
  if (
    components.at(-1) === '**' ||
    components.some((part) => part.includes('**') && part !== '**')
  ) {
    return {
      message: `${shown} has ** in a wrong place`,
      hint: '** stands for whole components, before a last one',
    };
  }
  return undefined;
}

/** Whether `path` (relative to the workspace, normal) is covered: it or a directory above it matches. */
export function matchesProtected(pattern: string, path: string): boolean {
  return protectedBy([pattern])(path);
}

/** As {@link matchesProtected} of any of them; what is asked one after the other in a tree is not judged anew from its top. */
export function protectedBy(patterns: readonly string[]): (path: string) => boolean {
  const split = patterns.map((pattern) => pattern.split('/'));
  let last: string[] = [];
  const covered: boolean[] = [];
  return (path) => {
    const parts = path.split('/');
    let same = 0;
    while (same < last.length && same < parts.length && last[same] === parts[same]) same++;
    covered.length = same;
    for (let i = same; i < parts.length; i++) {
      covered.push(
        covered[i - 1] === true || split.some((each) => matchComponents(each, 0, parts, 0, i + 1)),
      );
    }
    last = parts;
    return covered[parts.length - 1] === true;
  };
}

/** Whether `path` is a directory in which something covered may lie: it must not be renamed away. */
export function leadsToProtected(pattern: string, path: string): boolean {
  return leads(pattern.split('/'), path.split('/'));
}

/**
 * Whether every path that `inner` covers, one of `outer` covers.
 * A wildcard of `inner` is tried as letters that no pattern can hold: only a wildcard matches those.
 */
export function coversProtected(outer: readonly string[], inner: string): boolean {
  const strange = '\0';
  const samples = [[], [strange], [strange, strange]].map((fill) =>
    inner
      .split('/')
      .flatMap((part) => (part === '**' ? fill : [part.replaceAll('*', strange)]))
      .join('/'),
  );
  return samples.every((path) => outer.some((pattern) => matchesProtected(pattern, path)));
}

/** The components of a pattern from `p` on, and of a path from `from` up to `end`. */
function matchComponents(
  patterns: readonly string[],
  p: number,
  parts: readonly string[],
  from: number,
  end: number,
): boolean {
  const pattern = patterns[p];
  if (pattern === undefined) return from === end;
  if (pattern === '**') {
    // It stands for whole components before a last one: with that one alone left, only one place can match.
    const start = p + 2 === patterns.length ? Math.max(from, end - 1) : from;
    for (let i = start; i < end; i++) {
      if (matchComponents(patterns, p + 1, parts, i, end)) return true;
    }
    return false;
  }
  const part = from < end ? parts[from] : undefined;
  return (
    part !== undefined &&
    matchComponent(pattern, part) &&
    matchComponents(patterns, p + 1, parts, from + 1, end)
  );
}

function leads(patterns: readonly string[], parts: readonly string[]): boolean {
  const [pattern, ...rest] = patterns;
  if (parts.length === 0) return pattern !== undefined;
  if (pattern === undefined) return false;
  if (pattern === '**') return true;
  return matchComponent(pattern, parts[0] ?? '') && leads(rest, parts.slice(1));
}

/** Greedy from the left with one way back, linear but for repeated stars (Krauss 2008). */
function matchComponent(pattern: string, part: string): boolean {
  let p = 0;
  let s = 0;
  let star = -1;
  let from = 0;
  while (s < part.length) {
    if (pattern[p] === '*') {
      star = p++;
      from = s;
    } else if (p < pattern.length && pattern[p] === part[s]) {
      p++;
      s++;
    } else if (star >= 0) {
      p = star + 1;
      s = ++from;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
