/** What a verification found. */

export type FindingKind =
  /** Other bytes than its hash is of. */
  | 'changed'
  /** Not there. */
  | 'removed'
  /** There, but not where it was written. */
  | 'moved'
  /** There more than once, or from an earlier place. */
  | 'repeated'
  /** Written by another log. */
  | 'foreign'
  /** No record at all. */
  | 'malformed'
  /** Not what a signed checkpoint says; its hashes were made anew. */
  | 'range'
  /** A checkpoint that is not genuine, not in its place, or missing. */
  | 'checkpoint'
  /** Less than what is known to have been written. */
  | 'truncated';

export interface Finding {
  readonly what: FindingKind;
  /** Sequence number of the record, or of the first of several. */
  readonly seq: number;
  /** Of the last of several. */
  readonly to?: number;
  readonly file: string;
  /** Counts from 1; 0: the file as a whole. */
  readonly line: number;
  readonly toLine?: number;
  /** One sentence for a person. */
  readonly message: string;
}

export interface Verification {
  /** Nothing was found. */
  readonly ok: boolean;
  /** Random name of the log. */
  readonly log: string;
  readonly files: number;
  readonly records: number;
  /** Number of the first record that is here. */
  readonly first: number;
  /** The last record: what `--expect-head` takes later. */
  readonly head: { readonly seq: number; readonly hash: string };
  /** Genuine ones. */
  readonly checkpoints: number;
  /** Records below this number are covered by a signature, and the tree agrees. */
  readonly signedThrough: number;
  /** Records after the last checkpoint: linked, but not signed yet. */
  readonly unsigned: number;
  /** Bytes of a record that a crash left unfinished. */
  readonly tornBytes: number;
  readonly findings: readonly Finding[];
  /** What cannot be told from what is here. */
  readonly notes: readonly string[];
}
