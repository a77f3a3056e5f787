/** Somebody else's text in a message of ours: short, and nothing that moves a cursor or looks like something else. */

const LENGTH_MAX = 200;

/** In quotes, as JSON writes a string, all but printable ASCII escaped. */
export function quoted(text: string): string {
  const part = text.length > LENGTH_MAX ? `${text.slice(0, LENGTH_MAX)}...` : text;
  return `"${plain(part)}"`;
}

/** The same without quotes, for sentences that hold such text. */
export function plain(text: string): string {
  return text
    .slice(0, LENGTH_MAX * 2)
    .replaceAll(/[\\"]|[^ -~]/g, (unit) =>
      unit === '\\' || unit === '"'
        ? `\\${unit}`
        : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
}
