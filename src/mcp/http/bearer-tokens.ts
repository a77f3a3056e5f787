/**
 * Who may use a server over HTTP: tokens of a file or of a variable, each with the name of whose it is.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { CaissonError } from '../../core/error.ts';

/** Shorter ones can be guessed. */
const LEAST_LENGTH = 32;
const TOKEN = /^[\x21-\x7e]+$/;
const SUBJECT = /^[a-z0-9][a-z0-9._-]{0,63}$/i;

interface Known {
  readonly subject: string;
  readonly digest: Buffer;
}

export class BearerTokens {
  readonly #known: readonly Known[];

  /** @param tokens by whose they are @throws CONFIG_INVALID */
  constructor(tokens: readonly { readonly subject: string; readonly token: string }[]) {
    if (tokens.length === 0) throw invalid('there is no token', MAKE_ONE);
    for (const { subject, token } of tokens) {
      if (!SUBJECT.test(subject)) throw invalid(`${JSON.stringify(subject)} is no name`, NAMES);
      if (!TOKEN.test(token) || token.length < LEAST_LENGTH) {
        throw invalid(
          `the token of ${subject} is shorter than ${LEAST_LENGTH} characters, or holds blanks`,
          MAKE_ONE,
        );
      }
    }
    this.#known = tokens.map(({ subject, token }) => ({ subject, digest: digestOf(token) }));
    if (new Set(this.#known.map(({ digest }) => digest.toString('hex'))).size < tokens.length) {
      throw invalid('one token has two names', 'give each name a token of its own');
    }
  }

  /** Lines of `TOKEN`, or `NAME TOKEN`; empty ones and those that begin with # do not count. @throws CONFIG_INVALID */
  static parse(text: string): BearerTokens {
    const lines = text.split('\n').map((line) => line.trim());
    const tokens = lines
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(/\s+/))
      .map((words) => {
        if (words.length > 2)
          throw invalid('a line has more than two words', 'NAME TOKEN, or TOKEN');
        const [first = '', second] = words;
        return second === undefined
          ? { subject: 'default', token: first }
          : { subject: first, token: second };
      });
    return new BearerTokens(tokens);
  }

  /** Whose token the header carries. Compares with all of them, in the same time. */
  subjectOf(authorization: string | undefined): string | undefined {
    const [, token] = /^Bearer +([\x21-\x7e]+)$/i.exec(authorization ?? '') ?? [];
    if (token === undefined) return undefined;
    const digest = digestOf(token);
    let found: string | undefined;
    for (const known of this.#known) {
      if (timingSafeEqual(known.digest, digest)) found = known.subject;
    }
    return found;
  }
}

const MAKE_ONE = 'make one: head -c 32 /dev/urandom | base64';
const NAMES = 'letters, digits, ., _ and -';

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('CONFIG_INVALID', { layer: 'mcp', message, hint });
}
