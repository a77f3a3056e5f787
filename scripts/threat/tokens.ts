/**
 * A source as a run of abstract tokens: what it is called and which texts it holds is gone, so that two samples of one
 * generator look alike. JavaScript, Python and shell are near enough to each other for one lexer: it need not be right
 * about every regular expression, only the same for the same code.
 */

/** Tokens read of a file; what is longer is alike or not by its first part. */
const MOST_TOKENS = 20_000;

const KEYWORDS = new Set(
  (
    'and as assert async await break case catch class const continue def default del delete do elif else ' +
    'except export extends finally for from function global if import in instanceof is lambda let new ' +
    'nonlocal not or pass raise return static super switch this throw try typeof var void while with yield ' +
    // Names that say what a program does are its syntax here: droppers differ by them, not by structure.
    'eval exec require ActiveXObject WScript String fromCharCode Function unescape setup'
  ).split(' '),
);

export const NAME = 1;
export const TEXT = 2;
export const NUMBER = 3;
const PLUS = 16 + 43;
const COMMA = 16 + 44;
const FIRST_KEYWORD = 512;

/** FNV-1a over a word; deterministic on every machine. */
function hashWord(word: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < word.length; index++) {
    hash = Math.imul(hash ^ word.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) | FIRST_KEYWORD;
}

const keywordTokens = new Map([...KEYWORDS].map((word) => [word, hashWord(word)]));

const isDigit = (c: number): boolean => c >= 48 && c <= 57;
const isWord = (c: number): boolean =>
  (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95 || c === 36 || isDigit(c) || c > 127;

function endOfText(source: string, from: number, quote: number): number {
  let index = from;
  for (; index < source.length; index++) {
    const c = source.charCodeAt(index);
    if (c === 92) index++;
    else if (c === quote) return index + 1;
    else if (c === 10 && quote !== 96) return index;
  }
  return index;
}

/**
 * Runs of one kind (`'a', 'b'`, `1, 2`, `'a' + 'b'`) are one token: string tables and split texts of different length
 * are alike.
 */
function push(tokens: number[], token: number): void {
  const last = tokens.length - 1;
  if (token <= NUMBER && last >= 1 && tokens[last - 1] === token) {
    const between = tokens[last];
    if (between === COMMA || between === PLUS) {
      tokens.pop();
      return;
    }
  }
  tokens.push(token);
}

export function tokensOf(source: string, language: 'javascript' | 'python'): number[] {
  const tokens: number[] = [];
  let index = 0;
  while (index < source.length && tokens.length < MOST_TOKENS) {
    const c = source.charCodeAt(index);
    if (c <= 32) {
      index++;
    } else if (language === 'python' && c === 35) {
      index = endOfLine(source, index);
    } else if (language === 'javascript' && c === 47 && source.charCodeAt(index + 1) === 47) {
      index = endOfLine(source, index);
    } else if (language === 'javascript' && c === 47 && source.charCodeAt(index + 1) === 42) {
      const end = source.indexOf('*/', index + 2);
      index = end < 0 ? source.length : end + 2;
    } else if (c === 34 || c === 39 || (c === 96 && language === 'javascript')) {
      const triple = source.slice(index, index + 3);
      if (language === 'python' && (triple === '"""' || triple === "'''")) {
        const end = source.indexOf(triple, index + 3);
        index = end < 0 ? source.length : end + 3;
      } else {
        index = endOfText(source, index + 1, c);
      }
      push(tokens, TEXT);
    } else if (isDigit(c)) {
      while (index < source.length && (isWord(source.charCodeAt(index)) || source[index] === '.')) {
        index++;
      }
      push(tokens, NUMBER);
    } else if (isWord(c)) {
      const start = index;
      while (index < source.length && isWord(source.charCodeAt(index))) index++;
      push(tokens, (index - start < 14 && keywordTokens.get(source.slice(start, index))) || NAME);
    } else {
      tokens.push(16 + c);
      index++;
    }
  }
  return tokens;
}

function endOfLine(source: string, from: number): number {
  const end = source.indexOf('\n', from);
  return end < 0 ? source.length : end;
}
