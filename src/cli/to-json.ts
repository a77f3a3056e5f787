/** The one document of `--json`, on one line. */

export function toJson(document: unknown): string {
  return `${JSON.stringify(document, (_, value) => {
    if (typeof value === 'bigint') return value.toString();
    return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
  })}\n`;
}
