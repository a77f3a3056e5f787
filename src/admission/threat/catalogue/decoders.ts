/**
 * What decoders make of constants, so that rules see the text that was hidden. None of these throws, and none makes
 * more than {@link LIMIT} characters.
 */
import { inflateRawSync, inflateSync, unzipSync } from 'node:zlib';
import type { Value } from '../facts.ts';

/** Characters that a fold may make, and bytes that an archive may be unpacked to. */
const LIMIT = 1_000_000;

type Constant = Value['constant'];
type Fold = (args: readonly Value[], receiver: Value | undefined) => Constant;

const text = (value: Value | undefined): string | undefined =>
  typeof value?.constant === 'string' && value.constant.length <= LIMIT
    ? value.constant
    : undefined;

const whole = (value: Value | undefined): number | undefined =>
  typeof value?.constant === 'number' && Number.isInteger(value.constant)
    ? value.constant
    : undefined;

/** Bytes as text, one character a byte: what is binary stays so. */
const bytesOf = (value: string): Buffer => Buffer.from(value, 'latin1');

/** UTF-8 where it is, else one character a byte. */
function textOf(bytes: Buffer): string {
  const decoded = bytes.toString('utf8');
  return decoded.includes('�') ? bytes.toString('latin1') : decoded;
}

const ofText =
  (fold: (value: string) => Constant): Fold =>
  (args) => {
    const value = text(args[0]);
    return value === undefined ? undefined : quietly(() => fold(value));
  };

function quietly(fold: () => Constant): Constant {
  try {
    return fold();
  } catch {
    return undefined;
  }
}

export const fromBase64 = (value: string): string | undefined => {
  const packed = value.replace(/\s+/g, '').replaceAll('-', '+').replaceAll('_', '/');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(packed)) return undefined;
  return textOf(Buffer.from(packed, 'base64'));
};

export const fromHex = (value: string): string | undefined => {
  const packed = value.replace(/\s+/g, '');
  if (packed.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(packed)) return undefined;
  return textOf(Buffer.from(packed, 'hex'));
};

const fromBase32 = (value: string): string | undefined => {
  const packed = value.replace(/[\s=]+/g, '').toUpperCase();
  if (!/^[A-Z2-7]*$/.test(packed)) return undefined;
  const bytes: number[] = [];
  let bits = 0;
  let kept = 0;
  for (const letter of packed) {
    kept = (kept << 5) | 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((kept >> bits) & 255);
      kept &= (1 << bits) - 1;
    }
  }
  return textOf(Buffer.from(bytes));
};

const rot13 = (value: string): string =>
  value.replace(/[a-zA-Z]/g, (letter) => {
    const base = letter <= 'Z' ? 65 : 97;
    return String.fromCharCode(((letter.charCodeAt(0) - base + 13) % 26) + base);
  });

const unpack = (value: string): string | undefined => {
  const options = { maxOutputLength: LIMIT };
  const bytes = bytesOf(value);
  for (const inflate of [unzipSync, inflateSync, inflateRawSync]) {
    const result = quietly(() => textOf(inflate(bytes, options)));
    if (typeof result === 'string') return result;
  }
  return undefined;
};

const percent = (value: string): string =>
  value
    .replace(/%u([0-9a-fA-F]{4})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
    .replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));

const ENCODINGS: Readonly<Record<string, (value: string) => Constant>> = {
  base64: fromBase64,
  base64url: fromBase64,
  base_64: fromBase64,
  b64: fromBase64,
  hex: fromHex,
  hex_codec: fromHex,
  rot13,
  rot_13: rot13,
  zlib: unpack,
  zip: unpack,
  zlib_codec: unpack,
};

const decodeAs: Fold = (args) => {
  const value = text(args[0]);
  const encoding = text(args[1])?.toLowerCase();
  if (value === undefined) return undefined;
  if (encoding === undefined) return value;
  const decode = ENCODINGS[encoding];
  return decode === undefined ? value : quietly(() => decode(value));
};

/** A list folds to its items joined by a space. */
const codes = (args: readonly Value[]): number[] | undefined => {
  const parts = args.flatMap((value) =>
    typeof value.constant === 'string' && /^-?\d+( -?\d+)*$/.test(value.constant)
      ? value.constant.split(' ').map(Number)
      : [whole(value) ?? Number.NaN],
  );
  return parts.length > 0 &&
    parts.length <= LIMIT &&
    parts.every((code) => Number.isInteger(code) && code >= 0 && code <= 0x10ffff)
    ? parts
    : undefined;
};

const fromCodes: Fold = (args) => {
  const parts = codes(args);
  return parts === undefined
    ? undefined
    : quietly(() => parts.map((code) => String.fromCodePoint(code)).join(''));
};

/** Of methods of a text: `receiver` is what they are called on. */
const onReceiver =
  (fold: (value: string, args: readonly Value[]) => Constant): Fold =>
  (args, receiver) => {
    const value = text(receiver);
    return value === undefined ? undefined : quietly(() => fold(value, args));
  };

export const FOLDS = {
  base64: ofText(fromBase64),
  base32: ofText(fromBase32),
  hex: ofText(fromHex),
  rot13: ofText(rot13),
  unpack: ofText(unpack),
  percent: ofText(percent),
  reversed: ofText((value) => [...value].reverse().join('')),
  same: ofText((value) => value),
  decodeAs,
  fromCodes,
  number: ofText((value) => (/^-?\d{1,15}$/.test(value) ? Number(value) : undefined)),
  decoded: onReceiver((value, args) => {
    const encoding = text(args[0])?.toLowerCase();
    const decode = encoding === undefined ? undefined : ENCODINGS[encoding];
    return decode === undefined ? value : decode(value);
  }),
} as const satisfies Readonly<Record<string, Fold>>;
