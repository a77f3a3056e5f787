/**
 * Where the texts of a JSON document stand in it, so that what is found in a script of package.json has a place there.
 */

export interface JsonText {
  readonly value: string;
  /** Where in the document each UTF-16 unit of the value begins, and at the end where the text ends. */
  readonly places: readonly number[];
}

/**
 * The texts at `path`, which ends at an object: its members that are texts. Of a key that stands there twice the last one
 * counts, as for JSON.parse. The document has been parsed before: it is JSON.
 */
export function textsBelow(json: string, path: readonly string[]): Map<string, JsonText> {
  const found = new Map<string, JsonText>();
  const reader = new Reader(json);
  reader.value((at, text) => {
    const isBelow = at.length === path.length + 1 && path.every((key, i) => at[i] === key);
    if (isBelow) found.set(at.at(-1) ?? '', text);
  });
  return found;
}

type Seen = (path: readonly string[], text: JsonText) => void;

/** Deeper is no manifest: what stands there is passed over. */
const DEEPEST = 200;

class Reader {
  readonly #json: string;
  readonly #path: string[] = [];
  #at = 0;

  constructor(json: string) {
    this.#json = json;
  }

  value(seen: Seen): void {
    this.#space();
    const first = this.#json[this.#at];
    if (first === '"') seen(this.#path, this.#text());
    else if (first === '{' || first === '[') this.#members(first === '{', seen);
    else {
      while (this.#at < this.#json.length && !/[\s,\]}]/.test(this.#json[this.#at] ?? ''))
        this.#at++;
    }
  }

  #members(isObject: boolean, seen: Seen): void {
    if (this.#path.length >= DEEPEST) {
      this.#skip();
      return;
    }
    this.#at++;
    for (let index = 0; this.#at < this.#json.length; index++) {
      this.#space();
      const next = this.#json[this.#at];
      if (next === '}' || next === ']') {
        this.#at++;
        return;
      }
      if (next === ',') this.#at++;
      this.#space();
      this.#path.push(isObject ? this.#text().value : String(index));
      this.#space();
      if (isObject) this.#at++;
      this.value(seen);
      this.#path.pop();
    }
  }

  /** Over an object or a list, however deep it is. */
  #skip(): void {
    for (let depth = 0; this.#at < this.#json.length; ) {
      const next = this.#json[this.#at];
      if (next === '"') {
        this.#text();
        continue;
      }
      if (next === '{' || next === '[') depth++;
      if (next === '}' || next === ']') depth--;
      this.#at++;
      if (depth === 0) return;
    }
  }

  #text(): JsonText {
    const json = this.#json;
    const places: number[] = [];
    const start = this.#at;
    this.#at++;
    while (this.#at < json.length && json[this.#at] !== '"') {
      places.push(this.#at);
      if (json[this.#at] !== '\\') this.#at++;
      else this.#at += json[this.#at + 1] === 'u' ? 6 : 2;
    }
    places.push(this.#at);
    this.#at++;
    return { value: JSON.parse(json.slice(start, this.#at)), places };
  }

  #space(): void {
    while (/[ \t\r\n]/.test(this.#json[this.#at] ?? '')) this.#at++;
  }
}
