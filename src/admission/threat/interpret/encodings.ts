/** Which encoding a text looks like, by a scan of its first 4096 characters. */
const SCANNED = 4096;

export function isMostlyHex(text: string): boolean {
  const length = Math.min(text.length, SCANNED);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i) | 32;
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false;
  }
  return true;
}

/** Letters, digits, `+/-_` and padding alone, and letters of both cases or digits among them. */
export function isMostlyBase64(text: string): boolean {
  const length = Math.min(text.length, SCANNED);
  let upper = 0;
  let lower = 0;
  let digits = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 65 && code <= 90) upper++;
    else if (code >= 97 && code <= 122) lower++;
    else if (code >= 48 && code <= 57) digits++;
    else if (code !== 43 && code !== 47 && code !== 45 && code !== 95 && code !== 61) return false;
  }
  return upper > 2 && lower > 2 && digits > 1;
}
