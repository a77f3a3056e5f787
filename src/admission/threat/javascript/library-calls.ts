/** What functions of the language's library, and some of Node's, do to the values that they are given. */
import type { DialectCall } from '../interpret/dialect.ts';
import { Known, ofConstant, UNKNOWN } from '../interpret/known.ts';
import { elementOf } from '../interpret/members.ts';

/** Functions of the language that pass on what they are given. */
export function callLibrary(call: DialectCall): Known | undefined {
  const { path, args, host, node, form } = call;
  const [first, second, third] = args;
  switch (path) {
    case 'global.Reflect.get':
      return first === undefined || second === undefined
        ? undefined
        : host.member(first, second, node);
    case 'global.Reflect.apply':
      return first === undefined
        ? undefined
        : host.invoke(first, third?.shape?.list ?? [], second, node);
    case 'global.Reflect.construct':
      return first === undefined
        ? undefined
        : host.invoke(first, second?.shape?.list ?? [], undefined, node);
    case 'global.Reflect.set':
    case 'global.Object.defineProperty': {
      if (first === undefined || second === undefined || third === undefined) return undefined;
      const value =
        path === 'global.Reflect.set' ? third : host.member(third, ofConstant('value'), node);
      host.write(first, second, value, node);
      return first;
    }
    case 'global.Object.assign':
      for (const source of args.slice(1)) {
        const cells = source.shape?.cells;
        if (cells === undefined || first === undefined || cells.size > 500) continue;
        for (const [key, { all }] of cells) {
          if (all !== undefined) host.write(first, ofConstant(key), all, node);
        }
      }
      return first;
    case 'global.Object.freeze':
    case 'global.Object.seal':
    case 'global.Object.preventExtensions':
    case 'global.Object':
    case 'global.Promise.resolve':
    case 'global.Promise.all':
    case 'global.Promise.any':
    case 'global.Promise.race':
    case 'global.Promise.allSettled':
    case 'global.structuredClone':
    case 'node:util.promisify':
    case 'global.Proxy':
    case 'global.Array.from':
    case 'global.Set':
      return path === 'global.Array.from' && typeof first?.constant === 'string'
        ? host.list([...first.constant.slice(0, 10_000)].map(ofConstant), first)
        : first;
    case 'global.Object.create':
      return first?.path === undefined && first?.shape === undefined ? undefined : first;
    case 'global.Array.of':
      return host.list(args);
    case 'global.Object.values':
    case 'global.Object.entries':
      return first === undefined ? undefined : host.list([elementOf(first)]);
    case 'global.Object.getPrototypeOf':
      return first?.closure === undefined
        ? undefined
        : new Known(undefined, 'global.Function.prototype');
    case 'global.Promise': {
      if (form !== 'new' || first === undefined) return undefined;
      const { callee, value } = host.sink(node);
      host.invoke(first, [callee, UNKNOWN], undefined, node);
      return value();
    }
    case 'global.String.raw': {
      const texts = first?.shape?.list;
      if (texts === undefined || texts.length !== 1) return undefined;
      return texts[0];
    }
    default:
      return undefined;
  }
}
