/**
 * An API key as its holder has it: `csn_ID_SECRET`. The id is public, stands in lists and logs and finds the record; the
 * secret is 43 random letters and digits (256 bits). The beginning is fixed, so that scanners find keys that leaked.
 */
import { createHash, randomBytes } from 'node:crypto';

const ID_ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const SECRET_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const ID_LENGTH = 16;
/** log2(62^43) = 256.03 */
const SECRET_LENGTH = 43;
const SHAPE = /^csn_([a-z2-7]{16})_[A-Za-z0-9]{43}$/;

export const TOKEN_PREFIX = 'csn_';

export function newKeyId(): string {
  return draw(ID_ALPHABET, ID_LENGTH);
}

export function newToken(id: string): string {
  return `${TOKEN_PREFIX}${id}_${draw(SECRET_ALPHABET, SECRET_LENGTH)}`;
}

/** The id in a key; undefined for what cannot be one. */
export function idOfToken(token: string): string | undefined {
  return SHAPE.exec(token)?.[1];
}

/**
 * 32 bits that tell nearly every wrong key at once, so that wrong ones never stand in the way of the right one. Of the 256
 * bits of a secret they leave 224 to whoever has stolen them.
 */
export function checkOfToken(token: string): string {
  return createHash('sha256').update('caisson key check\n').update(token).digest('hex').slice(0, 8);
}

/** Every letter as likely as every other: bytes that would favour some are thrown away. */
function draw(alphabet: string, length: number): string {
  const fair = 256 - (256 % alphabet.length);
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length - text.length)) {
      if (byte < fair) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
