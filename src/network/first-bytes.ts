/**
 * Tells from what a guest sends first whether a connection carries a name, and which.
 *
 * What a server could take for HTTP is HTTP, also where it is no good HTTP: the strict parser behind refuses it then.
 */
import {
  type ClientHello,
  ClientHelloReader,
  type ClientHelloState,
  looksLikeTls,
} from './client-hello.ts';

export type FirstBytesState =
  | { readonly kind: 'more' }
  | { readonly kind: 'tls'; readonly hello: ClientHello }
  | { readonly kind: 'http' }
  /** Neither: it carries no name. */
  | { readonly kind: 'other' }
  | { readonly kind: 'refused'; readonly speaks: 'tls' | 'other'; readonly reason: string };

const LINE_MAX_BYTES = 8192;
/** Nobody sends a first line in so many pieces but to cost us time. */
const CHUNKS_MAX = 1024;
/**
 * A method and a target, whatever comes behind: HTTP/0.9 has no version, RTSP another, and some servers go on to read a
 * Host behind either. Nothing else that begins a connection looks so.
 */
const REQUEST = /^[a-z_-]+[^!-~]+(?:\/|\*(?:[^!-~]|$)|[a-z][a-z0-9+.-]*:\/\/)|^CONNECT[ \t]/i;
/** What some servers take for white space before a request (Python's str.split), and drop. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const BLANK = /^[\r\n\t\v\f \x1c-\x1f\x85\xa0]+/;

export class FirstBytes {
  readonly #chunks: Buffer[] = [];
  #hello: ClientHelloReader | undefined;
  /** The first line, leading line ends left out, as servers do (RFC 9112 section 2.2). */
  #line = '';
  #isHttp = false;

  /** Everything that was pushed, in order. */
  get bytes(): Buffer {
    const [first] = this.#chunks;
    return this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
  }

  /** What came in one piece with the end of a TLS hello. */
  get afterHello(): Buffer {
    return this.bytes.subarray(this.#hello?.length ?? 0);
  }

  push(chunk: Buffer): FirstBytesState {
    this.#chunks.push(chunk);
    if (this.#isHttp) return { kind: 'http' };
    if (this.#hello !== undefined) return asState(this.#hello.push(chunk));
    if (this.#line !== '') return this.#lineState(chunk);
    // Nothing but line ends until now, or the first byte of what may be a record's header: the second tells.
    const start = this.bytes;
    const old = oldHello(start);
    if (old !== undefined) return old;
    if (!looksLikeTls(start)) return this.#lineState(start);
    if (start.length < 2) return { kind: 'more' };
    this.#hello = new ClientHelloReader();
    return asState(this.#hello.push(start));
  }

  #lineState(chunk: Buffer): FirstBytesState {
    const text = this.#line + chunk.toString('latin1', 0, LINE_MAX_BYTES);
    this.#line = text.replace(/^[\r\n]+/, '');
    const end = this.#line.indexOf('\n');
    const line = end < 0 ? this.#line : this.#line.slice(0, end);
    if (/HTTP\//i.test(line) || REQUEST.test(line.replace(BLANK, ''))) {
      this.#isHttp = true;
      return { kind: 'http' };
    }
    // Both forms of a PROXY header would hide from us the line that the server acts on.
    if (/^PROXY /i.test(line) || (line.startsWith('\0') && text !== this.#line)) {
      return { kind: 'refused', speaks: 'other', reason: 'it begins with a PROXY header' };
    }
    if (end >= 0 || isBinary(line)) return { kind: 'other' };
    if (text.length < LINE_MAX_BYTES && this.#chunks.length < CHUNKS_MAX) return { kind: 'more' };
    return { kind: 'refused', speaks: 'other', reason: 'its first line has no end' };
  }
}

function asState(state: ClientHelloState): FirstBytesState {
  if (state.kind === 'hello') return { kind: 'tls', hello: state.hello };
  return state.kind === 'refused' ? { ...state, speaks: 'tls' } : state;
}

/**
 * SSL 2's form of a hello, which has no place for a name, and which servers still answer with TLS 1.2 (RFC 5246
 * appendix E.2): its length with the highest bit set, type 1, a version.
 */
function oldHello([first = 0, , type = 1, major, minor]: Uint8Array): FirstBytesState | undefined {
  if (first < 0x80 || type !== 1) return undefined;
  if (major === undefined || minor === undefined) return { kind: 'more' };
  if (major !== 3 && !(major === 0 && minor === 2)) return undefined;
  return { kind: 'refused', speaks: 'tls', reason: 'its hello is of SSL 2, which names no server' };
}

/** Control bytes, but those that some servers take for white space. (Beyond ASCII some take all in a request line.) */
function isBinary(line: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\0-\x08\x0e-\x1b]/.test(line);
}
