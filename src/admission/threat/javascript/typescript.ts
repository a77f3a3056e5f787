/**
 * TypeScript by Node's own `stripTypeScriptTypes`: it is compiled to WASM, so that a hostile source meets a parser that
 * cannot reach beyond its own memory (oxc-parser would be native code in this process), and it puts spaces where types
 * were, so that places stay. Enums, namespaces and parameter properties cannot be stripped: those sources are
 * transformed instead, and places are found again by the source map, to the line and the nearest mapped column.
 */
import { SourceMap, stripTypeScriptTypes } from 'node:module';
import { LineIndex } from '../line-index.ts';
import type { ProgramTree } from '../tree.ts';
import { lower } from './front-end.ts';

export function lowerTypeScript(source: string): ProgramTree {
  try {
    return lower(withoutWarning(() => stripTypeScriptTypes(source)));
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX')
      return lower(source);
  }
  try {
    const made = withoutWarning(() =>
      stripTypeScriptTypes(source, { mode: 'transform', sourceMap: true }),
    );
    const at = made.lastIndexOf(MAPPED);
    const payload = JSON.parse(Buffer.from(made.slice(at + MAPPED.length), 'base64').toString());
    return relocate(lower(made.slice(0, at)), made, source, new SourceMap(payload));
  } catch {
    return lower(source);
  }
}

const MAPPED = '//# sourceMappingURL=data:application/json;base64,';

/** It is told to be experimental at its first use, to whoever runs this; it is pinned with Node, and tested. */
function withoutWarning<T>(work: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return work();
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Writes the places of the source into the tree. */
function relocate(tree: ProgramTree, made: string, source: string, map: SourceMap): ProgramTree {
  const madeLines = new LineIndex(made);
  const { starts: sourceLines } = new LineIndex(source);
  const known = new Map<number, number>();
  const move = (offset: number): number => {
    let moved = known.get(offset);
    if (moved === undefined) {
      const line = madeLines.lineAt(offset);
      const entry = map.findEntry(line, offset - (madeLines.starts[line] as number));
      moved =
        'originalLine' in entry
          ? Math.min(source.length, (sourceLines[entry.originalLine] ?? 0) + entry.originalColumn)
          : 0;
      known.set(offset, moved);
    }
    return moved;
  };
  const waiting: unknown[] = [tree];
  const seen = new Set<object>();
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (typeof node !== 'object' || node === null || seen.has(node)) continue;
    seen.add(node);
    const spanned = node as { start?: number; end?: number };
    if (spanned.start !== undefined && spanned.end !== undefined) {
      spanned.start = move(spanned.start);
      spanned.end = Math.max(spanned.start, move(spanned.end));
    }
    for (const value of Object.values(node))
      if (typeof value === 'object') waiting.push(value ?? undefined);
  }
  return tree;
}
