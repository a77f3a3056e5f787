/**
 * The host's name servers, as resolv.conf(5) names them, read again when the file changes: a laptop changes networks
 * and a VPN comes up while sandboxes are open.
 *
 * Names are asked as they are, so that `search`, `domain` and `ndots` mean nothing here. Variables of the environment
 * (RES_OPTIONS) are not read.
 */
import { readFileSync, statSync } from 'node:fs';
import { type NameServerAddress, parseNameServer } from './name-server-address.ts';

export interface NameServerSettings {
  /** At least one. */
  readonly servers: readonly NameServerAddress[];
  /** Of one question to one server. */
  readonly timeoutMs: number;
  /** How often each server is asked that does not answer. */
  readonly attempts: number;
  /** Each question begins with another server. */
  readonly rotate: boolean;
}

/** Where the file names none (resolv.conf(5)). */
const LOCAL: NameServerAddress = { address: '127.0.0.1', port: 53 };
/** As in the C library (MAXNS). */
const SERVERS_MAX = 3;
/** The C library's own is 5 s, twice: a guest's resolver would give up by then. */
const DEFAULTS = { timeoutMs: 2000, attempts: 3, rotate: false };
const TIMEOUT_MAX_SECONDS = 30;
const ATTEMPTS_MAX = 5;
const CHECKED_MS = 2000;

/** Lines that cannot be understood are passed over, as every resolver does. */
export function parseResolvConf(text: string): NameServerSettings {
  const servers: NameServerAddress[] = [];
  let { timeoutMs, attempts, rotate } = DEFAULTS;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver') servers.push(...readServer(values[0] ?? ''));
    if (keyword !== 'options') continue;
    for (const option of values) {
      const [name, value] = option.split(':');
      const number = /^\d{1,9}$/.test(value ?? '') ? Math.max(1, Number(value)) : undefined;
      if (name === 'rotate') rotate = true;
      if (name === 'timeout' && number !== undefined) {
        timeoutMs = Math.min(number, TIMEOUT_MAX_SECONDS) * 1000;
      }
      if (name === 'attempts' && number !== undefined) attempts = Math.min(number, ATTEMPTS_MAX);
    }
  }
  const known = servers.slice(0, SERVERS_MAX);
  return { servers: known.length === 0 ? [LOCAL] : known, timeoutMs, attempts, rotate };
}

/** Settings for servers that the caller names. @throws CaissonError `REQUEST_INVALID` */
export function givenNameServers(servers: readonly string[]): NameServerSettings {
  return { ...DEFAULTS, servers: servers.map(parseNameServer) };
}

/** The settings of a file, as it is now. */
export class ResolvConf {
  readonly #path: string;
  readonly #now: () => number;
  #settings: NameServerSettings = parseResolvConf('');
  #version = '';
  #checkedMs = Number.NEGATIVE_INFINITY;

  /** @param now Milliseconds that only grow. */
  constructor(path = '/etc/resolv.conf', now: () => number = () => performance.now()) {
    this.#path = path;
    this.#now = now;
  }

  /** Looks at the file every two seconds. One that went, or cannot be read, leaves what was known. */
  current(): NameServerSettings {
    const nowMs = this.#now();
    if (nowMs - this.#checkedMs < CHECKED_MS) return this.#settings;
    this.#checkedMs = nowMs;
    try {
      const { ino, mtimeNs, size } = statSync(this.#path, { bigint: true });
      const version = `${ino} ${mtimeNs} ${size}`;
      if (version === this.#version) return this.#settings;
      this.#settings = parseResolvConf(readFileSync(this.#path, 'utf8'));
      this.#version = version;
    } catch {
      // It is written anew at this moment, or there is none.
    }
    return this.#settings;
  }
}

function readServer(text: string): NameServerAddress[] {
  try {
    return [parseNameServer(text)];
  } catch {
    return [];
  }
}
