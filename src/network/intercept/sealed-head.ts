/**
 * The header of one request, with marks in the places of secrets: Node writes it as text, and the marks become values in
 * the bytes that go into TLS, so that no string of a value is ever made.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { CaissonError } from '../../core/error.ts';
import { plainMemory } from '../../launcher/vault-channel.ts';
import { base64Bytes, wipe } from './secret-bytes.ts';

/** Where the value of one secret is. */
export interface HeldValue {
  readonly name: string;
  /** At the holder. */
  readonly id: number;
}

export interface SecretHolder {
  /** A copy of the value, the caller's to overwrite. @throws NETWORK_FAILED where it cannot be had */
  take(id: number): Promise<Buffer>;
}

/** Text as Latin-1, and values; encoded as a whole. */
interface Recipe {
  readonly encoding: 'plain' | 'base64';
  readonly parts: readonly (string | HeldValue)[];
}

const MARK_DIGITS = 4;

export class SealedHead {
  readonly #holder: SecretHolder;
  readonly #onTaken: (held: HeldValue) => void;
  /** Nobody but us knows it: neither the guest, which writes headers, nor a server, which gets the value in its place. */
  readonly #token = `caisson-sealed-${randomBytes(16).toString('hex')}-`;
  readonly #recipes: Recipe[] = [];

  /** @param onTaken told of each value that is about to be written */
  constructor(holder: SecretHolder, onTaken: (held: HeldValue) => void) {
    this.#holder = holder;
    this.#onTaken = onTaken;
  }

  /** @returns what stands in the header until it is written */
  seal(parts: Recipe['parts'], encoding: Recipe['encoding']): string {
    const index = this.#recipes.push({ parts, encoding }) - 1;
    return this.#token + index.toString(16).padStart(MARK_DIGITS, '0');
  }

  isIn(text: string): boolean {
    return text.includes(this.#token);
  }

  /**
   * The bytes of a header with the values in their places, the caller's to overwrite.
   *
   * @throws NETWORK_FAILED where a value cannot be had, or the marks are not there once each before the header's end
   */
  async fill(text: string, encoding: BufferEncoding): Promise<Buffer> {
    const pieces = this.#piecesOf(text, encoding);
    const values = new Map<HeldValue, Buffer>();
    const parts: Buffer[] = [];
    try {
      for (const held of new Set(this.#recipes.flatMap(({ parts }) => parts))) {
        if (typeof held !== 'string') values.set(held, await this.#take(held));
      }
      for (const piece of pieces) {
        parts.push(typeof piece === 'number' ? this.#made(piece, values) : piece);
      }
      const whole = plainMemory(parts.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const part of parts) at += part.copy(whole, at);
      return whole;
    } finally {
      wipe(...values.values(), ...parts);
    }
  }

  #piecesOf(text: string, encoding: BufferEncoding): (Buffer | number)[] {
    const pieces: (Buffer | number)[] = [];
    const headEnd = text.indexOf('\r\n\r\n');
    const left = new Set(this.#recipes.keys());
    let isOurs = true;
    let cursor = 0;
    for (let at = text.indexOf(this.#token); at >= 0; at = text.indexOf(this.#token, cursor)) {
      const digits = at + this.#token.length;
      const index = Number.parseInt(text.slice(digits, digits + MARK_DIGITS), 16);
      isOurs &&= left.delete(index) && at < headEnd;
      pieces.push(Buffer.from(text.slice(cursor, at), encoding), index);
      cursor = digits + MARK_DIGITS;
    }
    pieces.push(Buffer.from(text.slice(cursor), encoding));
    if (isOurs && left.size === 0) return pieces;
    throw new CaissonError('NETWORK_FAILED', {
      layer: 'network',
      message: 'a secret has no place, or several, in the header that was written',
    });
  }

  #made(index: number, values: ReadonlyMap<HeldValue, Buffer>): Buffer {
    const { parts, encoding } = this.#recipes[index] as Recipe;
    const bytes = parts.map((part) =>
      typeof part === 'string' ? Buffer.from(part, 'latin1') : (values.get(part) as Buffer),
    );
    const whole = plainMemory(bytes.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const each of bytes) at += each.copy(whole, at);
    if (encoding === 'plain') return whole;
    const encoded = base64Bytes(whole);
    wipe(whole);
    return encoded;
  }

  async #take(held: HeldValue): Promise<Buffer> {
    try {
      const value = await this.#holder.take(held.id);
      this.#onTaken(held);
      return value;
    } catch (cause) {
      throw unavailable(held.name, cause);
    }
  }
}

/** Told from other failures by `details.secret`. */
export function unavailable(name: string, cause: unknown): CaissonError {
  return new CaissonError('NETWORK_FAILED', {
    layer: 'network',
    message: `the value of ${name} cannot be had: ${(cause as Error).message}`,
    hint: 'make a new sandbox; nothing was sent in its place',
    details: { secret: name },
    cause,
  });
}

/**
 * From here on the marks of what `find` knows become values in what is written to this socket.
 *
 * @param find the sealed header that such a text is, if it is one
 */
export function fillSealed(socket: Socket, find: (text: string) => SealedHead | undefined): void {
  const write = socket._write.bind(socket);
  const writev = socket._writev?.bind(socket);
  const sealedIn = (chunk: unknown): SealedHead | undefined =>
    typeof chunk === 'string' ? find(chunk) : undefined;
  const writeOne: Socket['_write'] = (chunk, encoding, done) => {
    const sealed = sealedIn(chunk);
    if (sealed === undefined) return write(chunk, encoding, done);
    sealed.fill(chunk as string, encoding).then((bytes) => {
      write(bytes, 'buffer' as BufferEncoding, (error) => {
        wipe(bytes);
        done(error);
      });
    }, done);
  };
  socket._write = writeOne;
  socket._writev = (chunks, done) => {
    if (writev !== undefined && !chunks.some(({ chunk }) => sealedIn(chunk))) {
      writev(chunks, done);
      return;
    }
    // One by one: of several buffers TLS makes one of its own, which nobody overwrites.
    const [first, ...rest] = chunks;
    if (first === undefined) return done(null);
    writeOne(first.chunk, first.encoding, (error) => {
      if (error) done(error);
      else if (rest.length === 0) done(null);
      else socket._writev?.(rest, done);
    });
  };
}
