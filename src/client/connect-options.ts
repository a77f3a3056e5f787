/** Where a service is and how it is spoken to, checked before anything is sent. */
import { resolve } from 'node:path';
import { CaissonError } from '../core/error.ts';
import { suggest } from '../policy/suggest.ts';
import { LONGEST_MS } from '../sandbox/given-values.ts';

export interface ConnectOptions {
  /** `http://127.0.0.1:8640`, `https://…`. */
  readonly url?: string;
  /** Path of the unix socket that it listens on, instead. */
  readonly socketPath?: string;
  /** API key or JWT; absent: none, for a service that takes anonymous callers. */
  readonly apiKey?: string;
  /** Certificates (PEM, no file name) that the service's one leads to: these alone are trusted, in place of Node's own. */
  readonly ca?: string | Buffer;
  /** Connections at once; default 256. */
  readonly connections?: number;
  /** So long without a byte and the service is given up; default 120,000 ms. It says something every few seconds. */
  readonly silenceMs?: number;
  /** Of one answer that is kept in memory; default 128 MiB. Streams have no bound. */
  readonly answerBytes?: number;
}

export interface Connection {
  readonly base: URL;
  readonly socketPath: string | undefined;
  readonly apiKey: string | undefined;
  readonly ca: string | Buffer | undefined;
  readonly connections: number;
  readonly silenceMs: number;
  readonly answerBytes: number;
}

const DEFAULTS = { connections: 256, silenceMs: 120_000, answerBytes: 128 * 2 ** 20 } as const;
const NAMES = ['url', 'socketPath', 'apiKey', 'ca', ...Object.keys(DEFAULTS)];
const WHERE = 'give url, or socketPath';
const KEY = 'give the token that `caisson access keys create` printed';

/** @throws REQUEST_INVALID; no message holds the key */
export function connectionOf(options: ConnectOptions): Connection {
  // Of JavaScript, anything may come.
  if (typeof options !== 'object' || options === null) throw invalid('there are no options', WHERE);
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name)) throw unknown(name);
  }
  const { url, socketPath, apiKey, ca } = options;
  if ((url === undefined) === (socketPath === undefined)) {
    throw invalid('a service has either a URL or a socket', WHERE);
  }
  if (apiKey !== undefined) checkKey(apiKey);
  if (ca !== undefined) checkCertificates(ca);
  return {
    base: baseOf(url ?? 'http://localhost'),
    socketPath: socketPath === undefined ? undefined : resolve(pathOfSocket(socketPath)),
    apiKey,
    ca,
    connections: countOf('connections', options),
    silenceMs: countOf('silenceMs', options),
    answerBytes: countOf('answerBytes', options),
  };
}

function unknown(name: string): CaissonError {
  const meant = suggest(name, NAMES) ?? (name === 'token' || name === 'key' ? 'apiKey' : undefined);
  return invalid(
    `a client has no option ${JSON.stringify(name)}`,
    meant === undefined ? `it takes ${NAMES.join(', ')}` : `did you mean ${meant}?`,
  );
}

function checkKey(apiKey: unknown): void {
  if (typeof apiKey !== 'string' || apiKey === '') throw invalid('the key is empty', KEY);
  if (/^[\x21-\x7e]+$/.test(apiKey) && !apiKey.startsWith('{')) return;
  if (apiKey.startsWith('{')) {
    throw invalid('the key is a whole JSON document', 'give the `token` in it');
  }
  const isPadded = /^[\x21-\x7e]+$/.test(apiKey.trim());
  throw invalid(
    'the key has characters that no key has',
    isPadded ? 'look for a line break at its end' : KEY,
  );
}

function checkCertificates(ca: string | Buffer): void {
  if (/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/.test(String(ca))) return;
  throw invalid('ca holds no certificate (PEM)', 'give what is in the file: readFileSync(FILE)');
}

function countOf(name: keyof typeof DEFAULTS, options: ConnectOptions): number {
  const value: unknown = options[name] ?? DEFAULTS[name];
  const most = name === 'silenceMs' ? LONGEST_MS : Number.POSITIVE_INFINITY;
  if (typeof value === 'number' && value > 0 && value <= most) return value;
  if (typeof value === 'number' && value > most) {
    throw invalid(`${name} is more than ${most}`, `leave it out for ${DEFAULTS[name]}`);
  }
  throw invalid(`${name} is no number above zero`, `leave it out for ${DEFAULTS[name]}`);
}

function pathOfSocket(path: unknown): string {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path;
  throw invalid('socketPath is no path', 'give the path of the socket that the service listens on');
}

function baseOf(url: string): URL {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw invalid(`${JSON.stringify(url)} is no address of a service`, addressFor(url));
  }
  const base = new URL(url);
  if (base.username === '' && base.password === '') return base;
  throw invalid('an address holds no credentials', 'give them as apiKey');
}

function addressFor(url: unknown): string {
  const text = String(url);
  if (/^(?:unix:|\.{0,2}\/)/.test(text)) return 'give the path of a socket as socketPath';
  const isBare = /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?\/?$/i.test(text);
  return isBare ? `write http://${text}, or https://` : 'write http://HOST:PORT';
}

export function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'client', message, hint });
}
