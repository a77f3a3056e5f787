/** A thread that verifies files of a log, each by itself: from what its header says was before. */
import { createPublicKey } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { ChainVerifier, type Walk } from './chain-verifier.ts';
import type { LogFile } from './log-files.ts';

export interface FileTask {
  readonly file: LogFile;
  readonly last: boolean;
  /** SPKI, DER. */
  readonly key: Uint8Array;
  readonly fingerprint: string;
  readonly log: string;
  readonly roots: ReadonlyMap<number, string>;
  readonly expectHash: string | undefined;
}

parentPort?.on('message', ({ file, last, key, roots, ...known }: FileTask) => {
  const spki = createPublicKey({ key: Buffer.from(key), format: 'der', type: 'spki' });
  const verifier = new ChainVerifier({ ...known, key: spki, shipped: roots });
  verifier.read(file, last);
  verifier.end();
  parentPort?.postMessage(verifier.walk() satisfies Walk);
});
