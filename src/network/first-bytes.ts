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
const LINE_FEED = 0x0a;

export class FirstBytes {
  readonly #chunks: Buffer[] = [];
  #hello: ClientHelloReader | undefined;
  /** The first line, leading line ends left out, as servers do (RFC 9112 section 2.2). */
  #line = '';

  /** Everything that was pushed, in order. */
  get bytes(): Buffer {
    const [first] = this.#chunks;
    return this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
  }

  push(chunk: Buffer): FirstBytesState {
    this.#chunks.push(chunk);
    if (this.#hello !== undefined) return asState(this.#hello.push(chunk));
    if (this.#line !== '') return this.#lineState(chunk);
    // Nothing but line ends until now, or the first byte of what may be a record's header: the second tells.
    const start = this.bytes;
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
    if (/HTTP\//i.test(line)) return { kind: 'http' };
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

/** Bytes that stand in no request line: control bytes. (Beyond ASCII some servers take them.) */
function isBinary(line: string): boolean {
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (code < 0x20 && code !== 0x0d && code !== 0x09 && code !== LINE_FEED) return true;
  }
  return false;
}
