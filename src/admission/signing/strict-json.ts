/**
 * JSON (RFC 8259) that two parsers cannot read differently: no key twice in an object, no key that reaches a prototype,
 * bounded in length and depth, valid Unicode. Nothing here recurses.
 */

import { quoted } from './quoted.ts';

export interface JsonBounds {
  readonly bytes: number;
  readonly depth: number;
}

const PROTOTYPE_KEYS = new Set(['__proto__', 'constructor', 'prototype']);
/** The longest that an engine writes has 25; longer ones lose digits, and two parsers round them in two ways. */
const NUMBER_MAX = 32;

/** What is wrong with it, in words. */
export class JsonProblem extends Error {}

/** @throws JsonProblem */
export function parseStrictJson(source: string | Uint8Array, bounds: JsonBounds): unknown {
  const length = typeof source === 'string' ? Buffer.byteLength(source) : source.length;
  if (length > bounds.bytes) throw new JsonProblem(`it is longer than ${bounds.bytes} bytes`);
  const text = typeof source === 'string' ? source : decode(source);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The engine's words quote the text, which is somebody else's.
    throw new JsonProblem('it is not JSON');
  }
  checkTokens(text, bounds.depth);
  return value;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new JsonProblem('it is not UTF-8');
  }
}

/** Of a text that is JSON already, so that only what JSON leaves open is looked at. */
function checkTokens(text: string, deepest: number): void {
  const open: (Set<string> | undefined)[] = [];
  for (const [token] of text.matchAll(/"(?:[^"\\]+|\\.)*"(?:\s*:)?|[[\]{}]|-?\d[\d.eE+-]*/g)) {
    const first = token[0];
    if (first === '{' || first === '[') {
      if (open.length >= deepest) throw new JsonProblem(`it is nested deeper than ${deepest}`);
      open.push(first === '{' ? new Set() : undefined);
    } else if (first === '}' || first === ']') open.pop();
    else if (first === '"') checkText(token, open.at(-1));
    else if (token.length > NUMBER_MAX) throw new JsonProblem('a number in it is too long');
  }
}

function checkText(token: string, keys: Set<string> | undefined): void {
  const isKey = token.endsWith(':');
  const text = String(JSON.parse(isKey ? token.slice(0, -1) : token));
  if (!text.isWellFormed()) throw new JsonProblem('a text in it is not valid Unicode');
  if (!isKey) return;
  if (PROTOTYPE_KEYS.has(text)) throw new JsonProblem(`the key ${text} is not allowed`);
  if (keys?.has(text)) throw new JsonProblem(`the key ${quoted(text)} stands there twice`);
  keys?.add(text);
}
