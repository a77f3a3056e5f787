/** Bytes to the text that is analysed, and what is odd about them. */
import type { AnalysisNote } from './analyzer.ts';

export interface DecodedSource {
  readonly text: string;
  readonly bytes: number;
  readonly notes: readonly AnalysisNote[];
}

/**
 * UTF-8, or UTF-16 with a mark at its beginning, as script hosts of Windows take it. A mark becomes a space, so that
 * places stay. Never throws.
 */
export function decodeSource(source: string | Uint8Array): DecodedSource {
  const notes = new Set<AnalysisNote>();
  let text: string;
  let bytes: number;
  if (typeof source === 'string') {
    bytes = Buffer.byteLength(source);
    if (!source.isWellFormed()) notes.add('invalid-utf8');
    text = source;
  } else {
    bytes = source.byteLength;
    text = decodeBytes(source, notes);
  }
  if (text.charCodeAt(0) === 0xfeff) text = ` ${text.slice(1)}`;
  if (isPolyglot(text)) notes.add('polyglot');
  return { text, bytes, notes: [...notes] };
}

function decodeBytes(source: Uint8Array, notes: Set<AnalysisNote>): string {
  const [first, second] = source;
  if (first === 0xff && second === 0xfe) {
    const wide = new TextDecoder('utf-16le', { ignoreBOM: true }).decode(source);
    if (wide.includes('\uFFFD')) notes.add('invalid-utf8');
    return wide;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(source);
  } catch {
    notes.add('invalid-utf8');
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(source);
  }
}

/** How files of other formats begin. A picture that begins as text does is a script to one reader and no other. */
const BEGINNINGS = [
  'PK\u0003\u0004',
  '%PDF-',
  '\u007fELF',
  'GIF8',
  '\uFFFDPNG',
  'RIFF',
  'BM\uFFFD',
  'MZ\uFFFD',
  '\u0000asm',
  'Rar!',
  '7z\uFFFD',
];
const MARKUP = /^\s*<(?:!doctype|html|head|body|script|svg|\?xml|\?php|%)/i;

/** Whether some other reader takes it as something else than a script. */
function isPolyglot(text: string): boolean {
  const head = text.slice(0, 1024);
  if (BEGINNINGS.some((beginning) => head.startsWith(beginning))) return true;
  if (MARKUP.test(head)) return true;
  if (/^#![^\n]*\n/.test(head) && head.includes('\n#!')) return true;
  // The directory of a zip archive stands at its end, so that anything may stand before it.
  const tail = text.slice(-70_000);
  if (tail.includes('PK\u0005\u0006') && tail.includes('PK\u0001\u0002')) return true;
  return text.includes('\u0000');
}
