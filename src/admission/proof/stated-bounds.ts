/** What a certificate says, for people and policies. Whether it is true is checked by check-proof.ts. */
import type { Certificate } from './checker/certificate.ts';

export function statedBounds(certificate: Certificate): Record<string, string> {
  const { imports, memories, tables, stack, functions, exports } = certificate;
  const isOf = (kind: string) =>
    imports.flatMap(([, , type]) => (type.startsWith(kind) ? [type] : []));
  const imported = isOf('function').length;
  const known = exports.flatMap(([name, what]) => {
    const fuel = functions[Number(what.replace('function ', '')) - imported]?.[1] ?? 0;
    return fuel > 0 ? [[`fuel of ${name}`, `${fuel}`]] : [];
  });
  const most = (limits: readonly string[]) =>
    limits.map((each) => each.split('..')[1]).join(' + ') || '0';
  return {
    memoryPages: most([...memories, ...isOf('memory')]),
    tableElements: most([...tables, ...isOf('table')]),
    countedSlots: `${stack.counted}`,
    uncountedSlots: `${stack.uncounted}`,
    ...Object.fromEntries(known),
  };
}
