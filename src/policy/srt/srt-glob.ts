/**
 * Patterns of paths as srt has them, after gitignore(5): `*` and `?` within a component, `**` across components,
 * `[abc]`. Nothing is special about a dot in front.
 */

export function isSrtGlob(path: string): boolean {
  return /[*?[\]]/.test(path);
}

/** What the pattern stands below: `/a/b` of `/a/b/**\/c`. */
export function globBase(pattern: string): string {
  const parts = pattern.split('/');
  const wild = parts.findIndex(isSrtGlob);
  return parts.slice(0, wild < 0 ? parts.length : wild).join('/') || '/';
}

/** Matches absolute paths; one that matches stands for everything below it, too. */
export function srtGlobMatcher(pattern: string): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; ) {
    const rest = pattern.slice(at);
    const set = /^\[(!|\^)?([^\]/]+)\]/.exec(rest);
    if (rest.startsWith('**/')) {
      source += '(?:.*/)?';
      at += 3;
    } else if (rest.startsWith('**')) {
      source += '.*';
      at += 2;
    } else if (rest.startsWith('*')) {
      source += '[^/]*';
      at += 1;
    } else if (rest.startsWith('?')) {
      source += '[^/]';
      at += 1;
    } else if (set !== null) {
      const members = (set[2] ?? '').replace(/[\\\]^]/g, '\\$&');
      source += `(?!/)[${set[1] === undefined ? '' : '^'}${members}]`;
      at += set[0].length;
    } else {
      source += (rest[0] ?? '').replace(/[$()*+.?[\\\]^{|}]/g, '\\$&');
      at += 1;
    }
  }
  return new RegExp(`^${source}$`, 's');
}

/** As a protected pattern of a policy, relative to the workspace; nothing where it has no such form. */
export function protectPattern(glob: string): string | undefined {
  const parts = glob.split('/');
  if (/[?[\]]/.test(glob) || parts.at(-1) === '**' || parts.includes('')) return undefined;
  return parts.every((part) => part === '**' || !part.includes('**')) ? glob : undefined;
}
