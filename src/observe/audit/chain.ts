/**
 * Gives records their place: number, time, hash, and between them the checkpoints. Knows no file.
 */
import type { KeyObject } from 'node:crypto';
import type { AuditClock } from './audit-clock.ts';
import { canonicalJson } from './canonical-json.ts';
import { type Checkpoint, checkpointHash, NO_CHECKPOINT, signCheckpoint } from './checkpoint.ts';
import { MerkleTree } from './merkle-tree.ts';
import {
  type Header,
  LINE_END,
  lineBody,
  NO_RECORD,
  type RecordDraft,
  recordHash,
} from './record.ts';

/** Where a chain stands. */
export interface ChainState {
  /** Records so far, and the number of the next one. */
  readonly size: number;
  /** Hash of the last record; zeros before the first. */
  readonly head: string;
  readonly peaks: readonly string[];
  /** Hash of the last checkpoint's signed text; zeros before the first. */
  readonly checkpoint: string;
  /** Records since the last checkpoint, itself one of them. */
  readonly sinceCheckpoint: number;
}

export const emptyChain: ChainState = {
  size: 0,
  head: NO_RECORD,
  peaks: [],
  checkpoint: NO_CHECKPOINT,
  sinceCheckpoint: 0,
};

export interface ChainIdentity {
  readonly log: string;
  readonly key: KeyObject;
  readonly fingerprint: string;
  /** A checkpoint at least every so many records. */
  readonly every: number;
}

/** A checkpoint's record says nothing but what is signed, so that it needs no other checkpoint to be checked. */
export function checkpointDraft(checkpoint: Checkpoint): RecordDraft {
  return { event: 'checkpoint', details: canonicalJson(checkpoint) };
}

export class Chain {
  readonly #identity: ChainIdentity;
  readonly #clock: AuditClock;
  readonly #tree: MerkleTree;
  #head: string;
  #checkpoint: string;
  #since: number;
  #time = 0n;

  constructor(identity: ChainIdentity, clock: AuditClock, state: ChainState) {
    this.#identity = identity;
    this.#clock = clock;
    this.#tree = new MerkleTree(state.size, state.peaks);
    this.#head = state.head;
    this.#checkpoint = state.checkpoint;
    this.#since = state.sinceCheckpoint;
  }

  get size(): number {
    return this.#tree.size;
  }

  get head(): string {
    return this.#head;
  }

  /** Time of the last line, nanoseconds. */
  get time(): bigint {
    return this.#time;
  }

  /** Whether the next line must be a checkpoint. */
  get due(): boolean {
    return this.#since >= this.#identity.every;
  }

  /** Records since the last checkpoint. */
  get unsigned(): number {
    return this.#since;
  }

  /** A record's line, with its end. */
  line(draft: RecordDraft, ts = this.#clock.now()): string {
    const body = lineBody(draft, this.#tree.size, ts);
    this.#head = recordHash(this.#head, body);
    this.#tree.append(this.#head);
    this.#since++;
    this.#time = ts;
    return body + this.#head + LINE_END;
  }

  header(): RecordDraft {
    const { log, fingerprint, every } = this.#identity;
    const header: Header = {
      format: 'caisson-audit/1',
      log,
      key: fingerprint,
      prev: this.#head,
      checkpoint: this.#checkpoint,
      peaks: this.#tree.peaks(),
      every,
    };
    return { event: 'log', details: canonicalJson(header) };
  }

  /** Signs what there is. The checkpoint is a record itself, covered by the next one. */
  checkpoint(): { readonly line: string; readonly checkpoint: Checkpoint } {
    const ts = this.#clock.now();
    const checkpoint = signCheckpoint(
      {
        log: this.#identity.log,
        size: this.#tree.size,
        root: this.#tree.root(),
        head: this.#head,
        previous: this.#checkpoint,
        ts: String(ts),
        peaks: this.#tree.peaks(),
      },
      this.#identity.key,
    );
    this.#checkpoint = checkpointHash(checkpoint);
    const line = this.line(checkpointDraft(checkpoint), ts);
    this.#since = 0;
    return { line, checkpoint };
  }
}
