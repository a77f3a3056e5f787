/** A dialect in which nothing but names and members is known: others are made of it. */
import type { Dialect } from './dialect.ts';
import { Known } from './known.ts';

/** @param pathOf path of a name that nothing binds */
export function plainDialect(pathOf: (name: string) => string): Dialect {
  return {
    globalOf: (name) => new Known(undefined, pathOf(name)),
    isBuiltin: () => false,
    moduleOf: (name) => name,
    importedOf: (module, imported) => (imported === '*' ? module : `${module}.${imported}`),
    memberOf: (path, key) =>
      path.startsWith('?.') ? `?.${key ?? ''}` : key === undefined ? `${path}[]` : `${path}.${key}`,
    self: undefined,
    constructorKey: 'constructor',
    exports: undefined,
    callsClasses: true,
    tellsItself: () => false,
    operate: (operator, operands) => {
      const [a, b] = operands;
      if (operator !== '+' || operands.length < 2) return undefined;
      return typeof a === 'string' && operands.every((part) => typeof part === 'string')
        ? operands.join('')
        : typeof a === 'number' && typeof b === 'number' && operands.length === 2
          ? a + b
          : undefined;
    },
    propertyOf: () => undefined,
    call: () => undefined,
  };
}
