/** The line that a finding stands in, and where in it, for a report that people read. */
import type { SourceRange } from '../../core/admission.ts';

export interface Snippet {
  /** A part of one line, at most 100 characters, control characters escaped. */
  readonly text: string;
  /** Where the range begins in `text`, and how much of it is there. */
  readonly from: number;
  readonly length: number;
}

const WIDTH = 100;
const BEFORE = 30;

/** @returns undefined where the range is empty or not in the source */
export function snippetOf(source: string, { start, end }: SourceRange): Snippet | undefined {
  if (end <= start || end > source.length) return undefined;
  const lineStart = Math.max(source.lastIndexOf('\n', start - 1) + 1, start - WIDTH * 2);
  const lineEnd = source.indexOf('\n', start);
  const indent = /^\s*/.exec(source.slice(lineStart, start))?.[0].length ?? 0;
  const near = Math.max(lineStart + indent, start - BEFORE);
  // What does not fit behind leaves room before.
  const stop = Math.min(lineEnd < 0 ? source.length : lineEnd, near + WIDTH);
  const before = showable(source.slice(near, start));
  const inside = showable(source.slice(start, Math.min(end, stop)));
  const after = showable(source.slice(Math.min(end, stop), stop));
  return {
    text: `${before}${inside}${after}`.trimEnd(),
    from: before.length,
    length: Math.max(1, inside.trimEnd().length),
  };
}

/** Control characters, line separators, lone surrogates, and what turns the direction of text round. */
const OBEYED =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is escaped
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Nothing in it steers a terminal, or looks like what it is not. */
export function showable(text: string): string {
  return text.replace(OBEYED, (found) =>
    found === '\t' ? ' ' : `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
