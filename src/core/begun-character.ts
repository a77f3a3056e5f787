/** Where bytes of UTF-8 were cut in the middle of a character. RFC 3629, section 3. */

/** How many bytes at the end, 0 to 3, are the beginning of a character that goes on behind them. */
export function begunCharacter(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    if (byte < 0xc2 || byte > 0xf4) return 0;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? back : 0;
  }
  return 0;
}
