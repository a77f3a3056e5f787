/** Canonical paths: `globalThis.process.mainModule.require` is `global.require`. */
import { builtinModules } from 'node:module';

const BUILTIN_MODULES = new Set(builtinModules.map((name) => name.replace(/^node:/, '')));
/** Names of the global object. */
const GLOBAL_OBJECTS = new Set([
  'globalThis',
  'global',
  'window',
  'self',
  'top',
  'frames',
  'GLOBAL',
  'root',
]);

/** Where one thing has several names: the one that catalogues know. */
const SAME: ReadonlyMap<string, string> = new Map([
  ['global.process.mainModule.require', 'global.require'],
  ['global.require.main.require', 'global.require'],
  ['global.module.require', 'global.require'],
  ['global.module.parent.require', 'global.require'],
  ['global.module.children[].require', 'global.require'],
  ['global.process.mainModule.constructor', 'node:module'],
  ['global.module.constructor', 'node:module'],
  ['global.require.main.constructor', 'node:module'],
  ['node:process.mainModule.require', 'global.require'],
  ['node:module.Module', 'node:module'],
  ['node:buffer.Buffer', 'global.Buffer'],
  ['node:process.env', 'global.process.env'],
  ['global.Function.prototype.constructor', 'global.Function'],
  ['global.exports', 'global.module.exports'],
  ['global.%exports', 'global.module.exports'],
  ['global.document.defaultView', 'global'],
]);

/** Methods of lists, texts and functions, but for names that properties often have: what made them is `Function`. */
const METHODS = new Set(
  'at bind call apply charAt charCodeAt concat copyWithin every fill filter findIndex flat flatMap forEach includes indexOf join lastIndexOf map pop push reduce reduceRight repeat replace reverse shift slice some sort splice split substr substring toLowerCase toString toUpperCase trim unshift valueOf hasOwnProperty'
    .split(' ')
    .map((name) => `?.${name}`),
);

export function globalPath(name: string): string {
  if (name === 'global' || name === 'globalThis' || name === 'window') return 'global';
  if (name === 'self' || name === 'top' || name === 'frames' || name === 'GLOBAL') return 'global';
  const path = `global.${name}`;
  return SAME.get(path) ?? path;
}

export function modulePath(name: string): string {
  const bare = name.startsWith('node:') ? name.slice(5) : name;
  if (name !== bare || BUILTIN_MODULES.has(bare)) return `node:${bare}`;
  if (/^(?:\.{0,2}\/|\.{1,2}$|file:|[a-z]:\\)/i.test(name)) return `file:${name}`;
  if (/^(?:https?|data|blob):/i.test(name)) return `url:${name}`;
  return `npm:${name}`;
}

export function memberPath(path: string, key: string | undefined): string {
  if (key === undefined) return path.endsWith('[][]') ? path : `${path}[]`;
  if (path === 'global' && GLOBAL_OBJECTS.has(key)) return 'global';
  if (key === 'default' && isModule(path)) return path;
  if (key === 'constructor' && METHODS.has(path)) return '?.constructor.constructor';
  if (key === 'constructor' && path !== '?' && !SAME.has(`${path}.constructor`)) {
    return path.endsWith('.constructor') ? '?.constructor.constructor' : '?.constructor';
  }
  if (
    path.startsWith('?.') &&
    path !== '?.constructor' &&
    path !== '?.__proto__' &&
    path !== '?[]' &&
    path !== '?.prototype'
  ) {
    return `?.${key}`;
  }
  const member = `${path}.${key}`;
  return SAME.get(member) ?? member;
}

/** The module itself, no member of it. */
function isModule(path: string): boolean {
  return (
    /^(?:node|npm|file|url):[^()]*$/.test(path) &&
    !/^(?:node|npm):.*[^/]\.[A-Za-z_$][\w$]*$/.test(path)
  );
}
