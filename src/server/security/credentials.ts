/** The credentials of a request: one header, one scheme (RFC 6750 section 2.1), nothing that could be read in two ways. */
import { CaissonError } from '../../core/error.ts';

const MOST_CHARACTERS = 8192;
const BEARER = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i;

/**
 * @param rawHeaders name, value, name, value, as they came: Node drops all but the first of several
 * @returns undefined where there are none
 * @throws UNAUTHENTICATED
 */
export function credentialsOf(rawHeaders: readonly string[]): string | undefined {
  let found: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length !== 13 || name.toLowerCase() !== 'authorization') continue;
    if (found !== undefined) throw wrong('there is more than one Authorization header');
    found = rawHeaders[i + 1] ?? '';
  }
  if (found === undefined) return undefined;
  if (found.length > MOST_CHARACTERS) throw wrong('the Authorization header is too long');
  const token = BEARER.exec(found)?.[1];
  if (token === undefined) throw wrong('the Authorization header is not understood');
  return token;
}

function wrong(message: string): CaissonError {
  return new CaissonError('UNAUTHENTICATED', {
    layer: 'server',
    message,
    hint: 'send one header: Authorization: Bearer KEY',
  });
}
