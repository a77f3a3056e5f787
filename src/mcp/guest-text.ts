/**
 * What a guest wrote, as a model is shown it: bounded, with its cut and its control characters visible, and between two
 * lines that it cannot have written.
 */
import { randomBytes } from 'node:crypto';
import { begunCharacter } from '../core/begun-character.ts';
import type { CapturedOutput } from '../core/outcome.ts';

/** Of one stream, of a file, of a diff: bytes that are shown. */
export const SHOWN_BYTES = 32 * 1024;
const BINARY_SHOWN = 128;
/** More of what is no UTF-8 than one byte in so many is no text. */
const INVALID_SHARE = 10;

export interface ShownText {
  readonly text: string;
  readonly totalBytes: number;
  /** Out of the middle; 0 where all is shown. */
  readonly leftOutBytes: number;
  readonly isBinary: boolean;
}

type Kept = Pick<CapturedOutput, 'bytes' | 'totalBytes'>;

/** Head and tail of what was kept, with a line between them that says what is missing. */
export function shownOutput({ bytes, totalBytes }: Kept, most = SHOWN_BYTES): ShownText {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isBinary(all)) {
    const text = `[binary, ${totalBytes} bytes; begins ${escaped(all.subarray(0, BINARY_SHOWN))}]`;
    return { text, totalBytes, leftOutBytes: totalBytes, isBinary: true };
  }
  const isCut = totalBytes > all.length || all.length > most;
  if (!isCut) {
    return { text: visible(all.toString('utf8')), totalBytes, leftOutBytes: 0, isBinary: false };
  }
  const each = Math.floor(Math.min(most, all.length) / 2);
  const head = untilCharacter(all.subarray(0, each));
  const tail = fromCharacter(all.subarray(all.length - each));
  const leftOutBytes = totalBytes - head.length - tail.length;
  const mark = `[… ${leftOutBytes} of ${totalBytes} bytes are left out here …]`;
  const text = `${visible(head.toString('utf8'))}\n${mark}\n${visible(tail.toString('utf8'))}`;
  return { text, totalBytes, leftOutBytes, isBinary: false };
}

/** A text of ours or the guest's, cut in the middle likewise. */
export function shownText(text: string, most: number = SHOWN_BYTES): ShownText {
  const bytes = Buffer.from(text);
  return shownOutput({ bytes, totalBytes: bytes.length }, most);
}

/** In one line, for a message. */
export function shownWord(text: string, most = 300): string {
  const whole = text.toWellFormed().slice(0, most);
  const line = visible(whole).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
  return text.length > most ? `${line}…` : line;
}

/** Beginnings and ends that no guest can have written: 128 bits, drawn after it wrote. */
export function fence(parts: readonly { readonly name: string; readonly text: string }[]): string {
  const mark = randomBytes(16).toString('hex');
  return parts
    .map(({ name, text }) => {
      const body = text === '' || text.endsWith('\n') ? text : `${text}\n`;
      return `[${mark} ${name} begins]\n${body}[${mark} ${name} ends]`;
    })
    .join('\n');
}

/** Colours go, line ends become \n; every other character that is not seen, or that moves others, is written out. */
export function visible(text: string): string {
  return (
    text
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
      .replaceAll(/\u001b\[[0-9;]*m/g, '')
      .replaceAll(/\r\n?/g, '\n')
      .replaceAll(UNSEEN, (found) => written(found.codePointAt(0) ?? 0))
  );
}

/** Controls but \t and \n; what reorders text; what is not drawn; tags, which carry text that nobody sees. */
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;

function written(code: number): string {
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

function escaped(bytes: Buffer): string {
  let text = '';
  for (const byte of bytes) {
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : written(byte);
  }
  return text;
}

function isBinary(bytes: Buffer): boolean {
  if (bytes.includes(0)) return true;
  const wrong = bytes.toString('utf8').split('\ufffd').length - 1;
  return wrong > 4 && wrong * INVALID_SHARE > bytes.length;
}

/** Without the bytes of a character that was cut at its end. */
function untilCharacter(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.length - begunCharacter(bytes));
}

function fromCharacter(bytes: Buffer): Buffer {
  let from = 0;
  while (from < Math.min(3, bytes.length) && ((bytes[from] as number) & 0xc0) === 0x80) from++;
  return bytes.subarray(from);
}
