/**
 * The file that holds the registry of trusted signers. It is looked at again at each use (a stat), so that a revocation
 * holds at once.
 */
import { closeSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { type CaissonError, isCaissonError } from '../../core/error.ts';
import { formatProblem } from '../../policy/problems.ts';
import { readYaml } from '../../policy/yaml-source.ts';
import { checkOutOfReach, fileStamp, readGuarded, writeGuarded } from './guarded-file.ts';
import { trustInvalid } from './problem.ts';
import type { TrustDocument } from './trust-document.ts';
import { type TrustRegistry, trustRegistry } from './trust-registry.ts';

const FILE_MAX = 1024 * 1024;
/** Stamp of a file that is not there. */
const ABSENT = '-';
const TICK_MS = 50;
const EMPTY: TrustDocument = { version: 1, signers: [] };

interface Known {
  /** Of each file that it was read from. */
  readonly stamps: ReadonlyMap<string, string>;
  readonly readMs: number;
  readonly registry: TrustRegistry;
}

export class TrustFile {
  readonly path: string;
  #known: Known | undefined;

  /** Where the registry of a state directory is. */
  static fileIn(stateDirectory: string): string {
    return join(stateDirectory, 'trusted-signers.yaml');
  }

  constructor(path: string) {
    this.path = resolve(path);
  }

  /**
   * As the file is now. A file that is not there trusts nobody.
   *
   * @param mayWrite whether a guest may write to an absolute path: where it may write to this file, to a trusted root
   * or to a directory above, the registry is refused; default: there is no guest
   * @throws TRUST_INVALID
   */
  current(mayWrite?: (path: string) => boolean): TrustRegistry {
    const known = this.#read();
    if (mayWrite !== undefined) {
      for (const path of known.stamps.keys()) checkOutOfReach(path, mayWrite);
    }
    return known.registry;
  }

  #read(): Known {
    const known = this.#known;
    if (known !== undefined && isUnchanged(known)) return known;
    const readMs = Date.now();
    const stamps = new Map<string, string>();
    const { document, stamp } = this.#readDocument();
    stamps.set(this.path, stamp);
    const registry = trustRegistry(document, this.path, (name) => {
      const root = this.#readRoot(name);
      stamps.set(root.path, root.stamp);
      return root.text;
    });
    this.#known = { stamps, readMs, registry };
    return this.#known;
  }

  /** What {@link current} was made of, to be changed and written back. @throws TRUST_INVALID */
  document(): TrustDocument {
    this.current();
    return this.#readDocument().document as TrustDocument;
  }

  /**
   * Changes it; of two that do so at once the second waits for nobody and is refused.
   *
   * @param change of a document that is valid @throws TRUST_INVALID, and what `change` throws
   */
  update(nowMs: number, change: (document: TrustDocument) => TrustDocument): TrustRegistry {
    const lock = this.#lock();
    try {
      const updated = new Date(nowMs).toISOString();
      const document = { ...change(this.document()), updated };
      const text = this.path.endsWith('.json')
        ? `${JSON.stringify(document, null, 2)}\n`
        : stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });
      if (Buffer.byteLength(text) > FILE_MAX) {
        throw trustInvalid(
          `${this.path} would be larger than ${FILE_MAX} bytes`,
          'remove signers from it',
        );
      }
      // What cannot be read again is not written.
      trustRegistry(document, this.path, (name) => this.#readRoot(name).text);
      this.#write(text);
      return this.current();
    } finally {
      rmSync(lock, { force: true });
    }
  }

  #readDocument(): { document: unknown; stamp: string } {
    const read = this.#guarded(this.path);
    if (read === undefined) return { document: EMPTY, stamp: ABSENT };
    const { value, problems } = readYaml(read.text, this.path);
    if (problems.length === 0) return { document: value, stamp: read.stamp };
    throw trustInvalid(
      problems.slice(0, 10).map(formatProblem).join('; '),
      'correct it, or move it away and begin anew with caisson keys trust',
    );
  }

  #readRoot(name: string): { path: string; text: string; stamp: string } {
    const path = resolve(dirname(this.path), name);
    const read = this.#guarded(path);
    if (read !== undefined) return { path, ...read };
    throw trustInvalid(
      `${this.path} names the trusted root ${path}, which is not there`,
      'put trusted_root.json there, or correct the path',
    );
  }

  #guarded(path: string): { text: string; stamp: string } | undefined {
    try {
      return readGuarded(path, FILE_MAX);
    } catch (cause) {
      if (isCaissonError(cause)) throw cause;
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      throw trustInvalid(
        `${path} cannot be read: ${code ?? message}`,
        'look at its path and its mode',
        cause,
      );
    }
  }

  #write(text: string): void {
    try {
      writeGuarded(this.path, text);
    } catch (cause) {
      throw this.#unwritable(cause);
    }
  }

  #unwritable(cause: unknown): CaissonError {
    return trustInvalid(
      `${this.path} cannot be written: ${(cause as Error).message}`,
      'look at its directory, its owner and the disk',
      cause,
    );
  }

  #lock(): string {
    const path = `${this.path}.lock`;
    try {
      closeSync(openSync(path, 'wx', 0o600));
      return path;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw this.#unwritable(cause);
      throw trustInvalid(
        `${this.path} is being changed by somebody else`,
        `try again; where nobody does, rm ${path}`,
        cause,
      );
    }
  }
}

function isUnchanged({ stamps, readMs }: Known): boolean {
  return [...stamps].every(([file, stamp]) => {
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats === undefined) return stamp === ABSENT;
    // Clocks of file systems tick slowly: what was written a moment before may have changed within the same tick.
    return fileStamp(stats) === stamp && stats.mtimeMs < readMs - TICK_MS;
  });
}
