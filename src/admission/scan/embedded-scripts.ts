/** Shell commands that stand in manifests and are run on installation, with their places there. */
import { basename } from 'node:path/posix';
import type { Finding, SourceRange } from '../../core/admission.ts';
import { LineIndex } from '../threat/line-index.ts';
import { readManifest } from './manifest.ts';
import { installScriptFinding } from './own-findings.ts';

/** From a place in an embedded text to the place in the file around it. */
export type Placing = (range: SourceRange) => SourceRange;

export interface EmbeddedScript {
  readonly text: string;
  readonly placing: Placing;
  readonly finding?: Finding;
}

/** @param name of the file: package.json, or binding.gyp, which npm builds without being told to */
export function embeddedScripts(name: string, bytes: Buffer): EmbeddedScript[] {
  const file = bytes.toString('utf8').replace(/^\ufeff/, '');
  const lines = new LineIndex(file);
  if (basename(name) === 'package.json') {
    const scripts = readManifest(name, file)?.installScripts ?? new Map();
    return [...scripts].map(([script, { value, places }]) => {
      const place = (at: number): number => places[Math.min(at, places.length - 1)] ?? 0;
      const range = rangeIn(lines, place(0), place(value.length));
      const excerpt = JSON.stringify(value).slice(1, -1).slice(0, 160);
      return {
        text: value,
        placing: ({ start, end }) => rangeIn(lines, place(start), place(end)),
        finding: installScriptFinding(script, range, excerpt),
      };
    });
  }
  // GYP: `<!(command)` and `<!@(command)` are replaced by what the command prints.
  return [...file.matchAll(/<!@?\(((?:[^()]|\([^()]*\))*)\)/g)].map((match) => {
    const [whole, text = ''] = match;
    const from = match.index + whole.indexOf('(') + 1;
    return { text, placing: ({ start, end }) => rangeIn(lines, from + start, from + end) };
  });
}

function rangeIn(lines: LineIndex, start: number, end: number): SourceRange {
  const { line: endLine, column: endColumn } = lines.place(end);
  return { start, end, ...lines.place(start), endLine, endColumn };
}
