/** What values are made of. One bit each. */
import type { Labels } from './facts.ts';

export const LABELS = {
  /** Secrets by nature: keys, tokens, wallets, cookies, password stores. */
  secret: 1 << 0,
  /** The environment, whole or a variable of it. */
  environment: 1 << 1,
  /** What tells one machine or person from others: host name, user, addresses. */
  identity: 1 << 2,
  /** Content of files. */
  file: 1 << 3,
  /** What came over the network. */
  network: 1 << 4,
  /** What a process printed. */
  output: 1 << 5,
  /** Encoded, compressed or encrypted. */
  encoded: 1 << 6,
  /** Came out of a decoder. */
  decoded: 1 << 7,
  /** Clock, locale, debugger, virtual machine, user name: what evasion tests. */
  surroundings: 1 << 8,
  /** What a person types, copies or sees. */
  input: 1 << 9,
  /** Arguments of what the module exports: its caller's data. */
  caller: 1 << 10,
  /** Listing of directories. */
  listing: 1 << 11,
} as const satisfies Readonly<Record<string, Labels>>;
