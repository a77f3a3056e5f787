/** The one document of `--json`, on one line. */

export function toJson(document: unknown): string {
  return `${JSON.stringify(document, (_, value) => {
    if (typeof value === 'bigint') return value.toString();
    // As what they hold: JSON would say of both that they are empty.
    if (value instanceof Map || value instanceof Set) return [...value];
    return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
  })}\n`;
}
