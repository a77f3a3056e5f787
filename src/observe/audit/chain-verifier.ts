/**
 * Walks a chain of records and says where it is not what was written. One class for a whole log, for a walk that starts
 * at a checkpoint, and for the tail that is read when a log is opened.
 *
 * Two mechanisms. The hash of each line is of its bytes and of the hash before: whoever changes a record without making
 * all later hashes anew is found at the record. Signed checkpoints fix the tree over all hashes: whoever does make them
 * anew is found at the next checkpoint, and the records between the last one that agreed and that one are named.
 *
 * Over 300 lines: the way of one line through all its cases is told in one place.
 */

import { hash, type KeyObject } from 'node:crypto';
import { safeParse } from '../../core/safe-parse.ts';
import { type ChainState, checkpointDraft, emptyChain } from './chain.ts';
import { type Checkpoint, checkpointHash, checkpointSchema, isGenuine } from './checkpoint.ts';
import type { Finding, FindingKind } from './finding.ts';
import { BEFORE, LineReader } from './line-reader.ts';
import type { LogFile } from './log-files.ts';
import { MerkleTree } from './merkle-tree.ts';
import { type Header, headerSchema, LINE_END, lineBody, parseRecord } from './record.ts';
import {
  type Line,
  lineAt,
  SEQ_BYTES,
  seqIn,
  seqOf,
  startsWith,
  storedHash,
  type Time,
  timeAndEvent,
} from './record-line.ts';

const CHECKPOINT = 'checkpoint"';
const RETIRED = 'retired"';

/** A place behind a genuine checkpoint, from which a walk can go on. */
export interface Bookmark {
  readonly file: string;
  /** Where the next line begins, bytes, and its number. */
  readonly offset: number;
  readonly line: number;
  readonly state: ChainState;
  readonly checkpoint: Checkpoint;
}

export interface VerifierOptions {
  /** Public key that checkpoints must be signed with. */
  readonly key: KeyObject;
  readonly fingerprint: string;
  /** Name of the log, where it is known from elsewhere. */
  readonly log?: string | undefined;
  /** Findings beyond this many are not kept. Default 100. */
  readonly maxFindings?: number;
  /** Roots that are known from elsewhere, by size. */
  readonly shipped?: ReadonlyMap<number, string>;
  /** A record's hash that must be met. */
  readonly expectHash?: string | undefined;
  /** Told each checkpoint that is genuine and in its place. */
  readonly onCheckpoint?: (bookmark: Bookmark) => void;
}

/** What a walk came to; plain data. */
export interface Walk {
  readonly findings: readonly Finding[];
  readonly first: number;
  readonly records: number;
  readonly checkpoints: number;
  readonly signedThrough: number;
  readonly metExpected: boolean;
  readonly retiredThrough: number;
  readonly torn: { readonly bytes: number; readonly sha256: string; readonly offset: number };
  readonly lastTime: Time;
  readonly state: ChainState;
}

export class ChainVerifier {
  readonly findings: Finding[] = [];
  /** Of the file that was read first. */
  header: Header | undefined;
  first = 0;
  records = 0;
  checkpoints = 0;
  signedThrough = 0;
  metExpected = false;
  /** Records below this number were removed by the log itself, as its retention says. */
  retiredThrough = -1;
  /** What stands behind the last newline of the last file. */
  torn = { bytes: 0, sha256: '', offset: 0 };
  /** Where a walk was stopped in a file. */
  place = { offset: 0, line: 1 };
  /** Time of the last record. */
  lastTime: Time = [0, -1];
  readonly #options: VerifierOptions;
  #started = false;
  #expected = 0;
  #head = '';
  #tree = new MerkleTree();
  #checkpoint = '';
  #since = 0;
  /** Whether the line before, as it lies in the buffer, ends with the hash that was accepted last. */
  #straight = false;
  /** Something was found since the last checkpoint: that its root disagrees is no news. */
  #explained = false;
  /** The tree lacks records; the next genuine checkpoint says how it stood there. */
  #treeBroken = false;
  /** Hashes were made anew from somewhere on: later checkpoints disagree for that reason alone. */
  #forged = false;
  #skippedFile = false;
  #retiring = -1;
  #agreed = { seq: 0, file: '', line: 0 };
  readonly #misplaced = new Set<number>();
  readonly #missing = new Set<number>();
  #file = '';
  #line = 0;

  /** @param from where the walk begins; default: where the first file's header says */
  constructor(options: VerifierOptions, from?: ChainState) {
    this.#options = options;
    if (from !== undefined) this.#begin(from);
  }

  /** Where the chain stands now. */
  state(): ChainState {
    return {
      size: this.#expected,
      head: this.#head,
      peaks: this.#tree.peaks(),
      checkpoint: this.#checkpoint || emptyChain.checkpoint,
      sinceCheckpoint: this.#since,
    };
  }

  /**
   * Walks through a file, or from a place in it.
   * @param last no file comes after it: its last line may be unfinished
   * @param until asked after each line; stops the walk, at {@link place}
   * @returns whether it came to the end
   */
  read(
    file: LogFile,
    last: boolean,
    { offset = 0, line = 1 }: { readonly offset?: number; readonly line?: number } = {},
    until: () => boolean = () => false,
  ): boolean {
    using reader = new LineReader(file.path, offset);
    this.#file = file.path;
    this.#line = line;
    this.#straight = false;
    let newline = reader.newline();
    if (offset === 0) {
      if (newline >= 0 && !this.#openFile(reader, newline, file)) return true;
      if (newline < 0 && !last) this.#find('malformed', this.#expected, 'the file has no header');
    }
    while (newline >= 0) {
      this.#step(reader, newline);
      reader.pass(reader.newline());
      this.#line++;
      if (until()) {
        this.place = { offset: reader.offset, line: this.#line };
        return false;
      }
      newline = reader.newline();
    }
    this.#closeFile(reader, last);
    return true;
  }

  walk(): Walk {
    const { findings, first, records, checkpoints, signedThrough, metExpected } = this;
    const { retiredThrough, torn, lastTime } = this;
    return {
      findings,
      first,
      records,
      checkpoints,
      signedThrough,
      metExpected,
      retiredThrough,
      torn,
      lastTime,
      state: this.state(),
    };
  }

  /** Once all files were read. */
  end(): void {
    const every = this.header?.every ?? Number.POSITIVE_INFINITY;
    if (this.#since <= every || this.#forged) return;
    const from = this.#expected - this.#since;
    this.#find(
      'checkpoint',
      from,
      `the last ${this.#since} records have no checkpoint, and this log makes one every ${every}: checkpoints were removed or replaced`,
      { to: this.#expected - 1 },
    );
  }

  #begin(state: ChainState): void {
    this.#started = true;
    this.#expected = state.size;
    this.first = state.size;
    this.#head = state.head;
    this.#tree = new MerkleTree(state.size, state.peaks);
    this.#checkpoint = state.checkpoint;
    this.#since = state.sinceCheckpoint;
    this.signedThrough = state.size - state.sinceCheckpoint;
    this.#agreed = { seq: state.size, file: this.#file, line: this.#line };
  }

  /** @returns whether the file's records are worth looking at */
  #openFile(reader: LineReader, newline: number, file: LogFile): boolean {
    const record = parseRecord(reader.buffer.toString('utf8', reader.start, newline));
    const header = safeParse(headerSchema, record?.details).data;
    if (record?.event !== 'log' || header === undefined) {
      return this.#skip('malformed', 'the file does not begin with the header of an audit log');
    }
    const log = this.header?.log ?? this.#options.log ?? header.log;
    if (header.log !== log) {
      return this.#skip('foreign', `the file belongs to another log, ${header.log}`);
    }
    if (header.key !== this.#options.fingerprint) {
      return this.#skip('foreign', 'the file names another key than the one that must have signed');
    }
    if (file.first >= 0 && record.seq !== file.first) {
      return this.#skip(
        'moved',
        `the file begins with record ${record.seq}, not with that of its name`,
      );
    }
    this.header ??= header;
    if (!this.#started) {
      const { prev: head, peaks, checkpoint } = header;
      if (peaks.length !== bits(record.seq)) {
        return this.#skip('malformed', 'the header does not fit its place');
      }
      this.#begin({ size: record.seq, head, peaks, checkpoint, sinceCheckpoint: 0 });
    } else if (record.seq < this.#expected) {
      return this.#skip(
        'repeated',
        `the file begins with record ${record.seq}, which was there already`,
      );
    } else if (record.seq > this.#expected) {
      if (!this.#skippedFile) this.#gap(record.seq, 'a file is missing, or the end of one');
      this.#lose();
      this.#expected = record.seq;
      this.#head = header.prev;
    } else if (header.prev !== this.#head) {
      this.#find('changed', record.seq, 'the file does not follow the one before it');
      this.#lose();
      this.#head = header.prev;
    }
    this.#skippedFile = false;
    return true;
  }

  #skip(what: FindingKind, message: string): false {
    this.#find(what, this.#expected, message);
    this.#skippedFile = true;
    this.#lose();
    return false;
  }

  #closeFile(reader: LineReader, last: boolean): void {
    const rest = reader.rest();
    this.torn = {
      bytes: rest.length,
      sha256: rest.length === 0 ? '' : hash('sha256', rest, 'hex'),
      offset: reader.offset,
    };
    if (rest.length > 0 && !last) {
      this.#find('malformed', this.#expected, 'the file ends within a record');
    }
  }

  /** The straight way costs two hashes and a few comparisons. */
  #step(reader: LineReader, newline: number): void {
    const line = lineAt(reader.buffer, reader.start, newline, reader.offset);
    const seq = seqOf(line);
    if (seq < 0) {
      this.#straight = false;
      this.#lose();
      this.#find('malformed', this.#expected, `line ${this.#line} is no record`);
    } else if (seq !== this.#expected) this.#outOfPlace(reader, line, seq);
    else {
      const stored = storedHash(line);
      if (this.#hashOf(line) !== stored) this.#mismatch(seq);
      this.#accept(line, seq, stored);
    }
  }

  #hashOf({ buffer, start, hashAt }: Line): string {
    if (this.#straight && start >= BEFORE) {
      return hash('sha256', buffer.subarray(start - BEFORE, hashAt), 'hex');
    }
    const before = Buffer.from(this.#head + LINE_END);
    return hash('sha256', Buffer.concat([before, buffer.subarray(start, hashAt)]), 'hex');
  }

  /** In its place, but its hash is not that of its bytes and of the hash before. */
  #mismatch(seq: number): void {
    this.#explained = true;
    const before = this.findings.at(-1);
    if (before?.what === 'changed' && (before.to ?? before.seq) === seq - 1) {
      // What was put in place of a record brought its own hash, which the next one does not follow.
      const message = `record ${before.seq} was changed or replaced: record ${seq} does not follow it`;
      this.findings[this.findings.length - 1] = { ...before, to: seq, message };
      return;
    }
    this.#find('changed', seq, `record ${seq} is not what its hash is of`);
  }

  #outOfPlace(reader: LineReader, line: Line, seq: number): void {
    const expected = this.#expected;
    this.#explained = true;
    if (seq < expected) {
      this.#straight = false;
      const moved = this.#missing.delete(seq);
      const message = moved
        ? `record ${seq} stands behind record ${expected - 1}`
        : `record ${seq} stands here again, where record ${expected} belongs`;
      this.#find(moved ? 'moved' : 'repeated', seq, message);
      return;
    }
    if (seqIn(reader.peek(line.newline, SEQ_BYTES)) === expected) {
      this.#straight = false;
      this.#misplaced.add(seq);
      this.#find('moved', seq, `record ${seq} stands where record ${expected} belongs`);
      return;
    }
    this.#gap(seq, 'removed');
    this.#lose();
    this.#expected = seq;
    // A look ahead may have moved what is in the buffer.
    const newline = line.newline + reader.start - line.start;
    const here = lineAt(reader.buffer, reader.start, newline, line.offset);
    this.#accept(here, seq, storedHash(here));
  }

  /** Names what is not there, except for what stood elsewhere before. */
  #gap(seq: number, why: string): void {
    const from = this.#expected;
    const few = seq - from <= 1000;
    if (few) for (let n = from; n < seq; n++) if (!this.#misplaced.has(n)) this.#missing.add(n);
    if (
      few &&
      !Array.from({ length: seq - from }, (_, i) => from + i).some((n) => this.#missing.has(n))
    )
      return;
    const which = seq - from === 1 ? `record ${from} is` : `records ${from} to ${seq - 1} are`;
    this.#find('removed', from, `${which} not there: ${why}`, { to: seq - 1 });
  }

  #accept(line: Line, seq: number, stored: string): void {
    const { buffer, start, newline, offset } = line;
    const { time, event } = timeAndEvent(line, seq);
    this.#checkTime(time, seq);
    let checkpoint: Checkpoint | undefined;
    if (startsWith(buffer, event, CHECKPOINT)) {
      checkpoint = this.#checkpointOf(line, seq);
    } else if (startsWith(buffer, event, RETIRED)) {
      const through = parseRecord(buffer.toString('utf8', start, newline))?.details.through;
      if (typeof through === 'number') this.#retiring = Math.max(this.#retiring, through);
    }
    const shipped = this.#options.shipped?.get(seq);
    if (shipped !== undefined && !this.#treeBroken && shipped !== this.#tree.root()) {
      this.#disagree(seq, `the checkpoint of ${seq} records that was shipped elsewhere`);
    }
    if (checkpoint !== undefined) this.#compare(checkpoint, seq);
    this.#tree.append(stored);
    this.#head = stored;
    this.#straight = true;
    this.#expected = seq + 1;
    this.records++;
    this.#since = checkpoint === undefined ? this.#since + 1 : 0;
    if (stored === this.#options.expectHash) this.metExpected = true;
    if (checkpoint === undefined || this.#forged) return;
    this.checkpoints++;
    this.#options.onCheckpoint?.({
      file: this.#file,
      offset: offset + newline + 1 - start,
      line: this.#line + 1,
      state: this.state(),
      checkpoint,
    });
  }

  /** @returns a checkpoint that is signed, and whose line says nothing else */
  #checkpointOf({ buffer, start, hashAt, newline }: Line, seq: number): Checkpoint | undefined {
    const record = parseRecord(buffer.toString('utf8', start, newline));
    const checkpoint = safeParse(checkpointSchema, record?.details).data;
    const wrong = ((): string | undefined => {
      if (checkpoint === undefined) return 'cannot be understood';
      const log = this.header?.log ?? this.#options.log;
      if (log !== undefined && checkpoint.log !== log)
        return `is of another log, ${checkpoint.log}`;
      if (!isGenuine(checkpoint, this.#options.key)) return 'is not signed by the key of this log';
      const line = lineBody(checkpointDraft(checkpoint), seq, BigInt(checkpoint.ts));
      return line === buffer.toString('latin1', start, hashAt)
        ? undefined
        : 'says more than was signed';
    })();
    if (wrong === undefined) return checkpoint;
    this.#explained = true;
    this.#find('checkpoint', seq, `the checkpoint of record ${seq} ${wrong}`);
    return undefined;
  }

  #compare(checkpoint: Checkpoint, seq: number): void {
    const { size, root, previous, peaks } = checkpoint;
    if (size !== seq) {
      this.#disagree(seq, `the checkpoint of ${size} records, which stands behind ${seq}`);
    } else if (this.#treeBroken || root !== this.#tree.root()) {
      if (this.#explained) this.#widen();
      else this.#disagree(seq, `the checkpoint of ${seq} records`);
      this.#tree = new MerkleTree(size, peaks);
    } else if (previous !== this.#checkpoint && this.#checkpoint !== '') {
      this.#find(
        'checkpoint',
        seq,
        `the checkpoint of record ${seq} does not follow the one before`,
      );
    } else if (this.findings.length === 0) {
      this.signedThrough = seq;
      // Not before it is signed: whoever takes files away could write such a record, too.
      this.retiredThrough = this.#retiring;
    }
    this.#checkpoint = checkpointHash(checkpoint);
    this.#explained = false;
    this.#treeBroken = false;
    this.#agreed = { seq: seq + 1, file: this.#file, line: this.#line + 1 };
  }

  /** The chain holds and the signed tree does not: hashes were made anew. Said once; it goes on like that. */
  #disagree(seq: number, witness: string): void {
    if (this.#forged) return;
    this.#forged = true;
    const { seq: from, file, line } = this.#agreed;
    const place = file === this.#file || file === '' ? {} : { file };
    this.#find(
      'range',
      from,
      `records ${from} to ${seq - 1} are not what was signed (one or more was changed, removed, added, moved or replaced, and the hashes made anew): ${witness} disagrees, and nothing behind can be trusted`,
      { to: seq - 1, line: Math.max(1, line), toLine: this.#line, ...place },
    );
  }

  /** The one record that did not follow was itself unchanged where even the stored hashes are not the signed ones. */
  #widen(): void {
    const found = this.findings.at(-1);
    if (found?.what !== 'changed' || found.to !== undefined || found.seq === 0) return;
    const message = `record ${found.seq - 1} was changed and its hash made anew, or replaced: record ${found.seq} does not follow it`;
    const before = { seq: found.seq - 1, to: found.seq, line: Math.max(1, found.line - 1) };
    this.findings[this.findings.length - 1] = { ...found, ...before, toLine: found.line, message };
  }

  #checkTime(time: Time, seq: number): void {
    const [seconds, nanos] = time;
    const [lastSeconds, lastNanos] = this.lastTime;
    const later = seconds > lastSeconds || (seconds === lastSeconds && nanos > lastNanos);
    // A record that is not this log's has a time that is not either.
    if ((!later || nanos < 0) && !this.#explained) {
      this.#find('changed', seq, `record ${seq} is not later than the one before it`);
    }
    this.lastTime = time;
  }

  #lose(): void {
    this.#treeBroken = true;
    this.#explained = true;
  }

  #find(
    what: FindingKind,
    seq: number,
    message: string,
    place: { to?: number; file?: string; line?: number; toLine?: number } = {},
  ): void {
    if (this.findings.length >= (this.#options.maxFindings ?? 100)) return;
    this.findings.push({ what, seq, file: this.#file, line: this.#line, message, ...place });
  }
}

function bits(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}
