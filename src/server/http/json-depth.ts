/** How deep a JSON text is nested, before anything parses it: recursion over it must come to its end. */
import { CaissonError } from '../../core/error.ts';

/** Far more than any request of ours has, and far less than a stack holds. */
const MOST_DEPTH = 256;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Looks at brackets outside of strings alone; a text that is no JSON is told by its parser. */
export function isTooDeep(text: string): boolean {
  let depth = 0;
  let isString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isString) {
      if (code === BACKSLASH) i++;
      else if (code === QUOTE) isString = false;
    } else if (code === QUOTE) isString = true;
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > MOST_DEPTH) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}

export function tooDeep(): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: `the body is nested deeper than ${MOST_DEPTH}`,
    hint: 'send what is deep as text, or with the encoding devalue',
  });
}
