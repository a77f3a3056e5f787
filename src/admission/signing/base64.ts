/**
 * Base64 (RFC 4648) that has one spelling for each alphabet: padded, no spaces, no bits that count for nothing. DSSE lets a
 * signer choose the alphabet; what is written here is the standard one.
 */

/** @returns undefined for what is not canonical; the two alphabets do not mix */
export function decodeBase64(text: string): Buffer | undefined {
  const isUrlSafe = text.includes('-') || text.includes('_');
  const bytes = Buffer.from(text, isUrlSafe ? 'base64url' : 'base64');
  if (!isUrlSafe) return bytes.toString('base64') === text ? bytes : undefined;
  const spelled = bytes.toString('base64url');
  return spelled.padEnd(Math.ceil(spelled.length / 4) * 4, '=') === text ? bytes : undefined;
}
