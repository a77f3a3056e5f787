/** Canonical paths of Python. */

/** What is the thing itself: its members by name, and calling it. */
const TRANSPARENT = new Set(['__dict__', '__call__', '__func__', '__wrapped__', '__self__']);
const NAMESPACES = new Set(['py:builtins.globals()', 'py:builtins.locals()', 'py:builtins.vars()']);
const BUILTINS = 'py:builtins';

export function globalPath(name: string): string {
  if (name === '__builtins__') return BUILTINS;
  return `${BUILTINS}.${name}`;
}

export const modulePath = (name: string): string =>
  name === '__builtin__' ? BUILTINS : `py:${name}`;

/** @param key `()`: what calling it gives; undefined: not known */
export function memberPath(path: string, key: string | undefined): string {
  if (key === '()') return `${path}()`;
  if (path === '?' || path.startsWith('?.')) return `?.${key ?? ''}`;
  if (key === undefined) return `${path}[]`;
  if (TRANSPARENT.has(key)) return path;
  if (path === 'py:sys.modules') return modulePath(key);
  if (NAMESPACES.has(path)) return globalPath(key);
  if (path === BUILTINS && key === '__builtins__') return BUILTINS;
  return `${path}.${key}`;
}
