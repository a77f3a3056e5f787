/** What quotes and backslashes stand for. */

export function unquoteWord(text: string): string {
  return text.includes('\\') ? text.replace(/\\(\n|\r\n|[\s\S])/g, unescaped) : text;
}

/** Within double quotes only these are escaped. */
export function unquoteDouble(text: string): string {
  return text.includes('\\') ? text.replace(/\\(\n|["$`\\])/g, unescaped) : text;
}

const unescaped = (_: string, letter: string): string => (letter.endsWith('\n') ? '' : letter);

const CONTROL: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  e: '\x1b',
  E: '\x1b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};
const SEQUENCE =
  /\\(?:x([\da-fA-F]{1,2})|u([\da-fA-F]{1,4})|U([\da-fA-F]{1,8})|([0-7]{1,3})|c([\s\S])|([\s\S]))/g;

/** `$'…'`. @param text without the quotes */
export function unquoteAnsi(text: string): string {
  return text.replace(
    SEQUENCE,
    (
      whole: string,
      hex?: string,
      short?: string,
      long?: string,
      octal?: string,
      control?: string,
      letter?: string,
    ) => {
      const code = hex ?? short ?? long;
      if (code !== undefined) return codePoint(Number.parseInt(code, 16), whole);
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
      if (control !== undefined) return String.fromCharCode(control.charCodeAt(0) & 0x1f);
      return letter === undefined ? whole : (CONTROL[letter] ?? letter);
    },
  );
}

const codePoint = (code: number, otherwise: string): string =>
  code <= 0x10ffff ? String.fromCodePoint(code) : otherwise;
