/** Frames of a client that has gone wrong: whole frames of known types, in any order, with ids and bodies of any kind. */
import { encodeExec, encodeOpen } from '../../src/launcher/protocol/encode-job.ts';
import { FieldWriter } from '../../src/launcher/protocol/fields.ts';
import {
  FRAME_HEADER,
  finishFrame,
  frameType,
  rawFrame,
} from '../../src/launcher/protocol/frame.ts';
import type { Job } from '../../src/plan/plan.ts';
import type { SeededRandom } from '../seeded-random.ts';

const EXTREMES = [0, 1, 2, 3, 64, 65, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const SCRIPTS = [
  ':',
  'cat',
  'exec sleep 5',
  'head -c 300000 /dev/zero',
  'exec <&- >&- 2>&-; sleep 0.05',
  'sleep 0.02 & exit 3',
  'kill -9 -1',
  'exec cat /dev/zero',
];
const MODES = ['null', 'capture', 'stream'] as const;

export class RandomFrames {
  readonly #random: SeededRandom;
  readonly #plans: readonly Uint8Array[];
  readonly #job: Job;

  constructor(random: SeededRandom, plans: readonly Uint8Array[], job: Job) {
    this.#random = random;
    this.#plans = plans;
    this.#job = job;
  }

  /** Plans and sandboxes get low ids, execs any; so each is often named as if it were another. */
  next(): Buffer {
    const id = 1 + this.#random.below(24);
    if (this.#random.below(100) < 45) return this.#begin(id);
    const frame = this.#about(id);
    return this.#random.below(100) < 15 ? this.#broken(frame) : frame;
  }

  #begin(id: number): Buffer {
    const kind = this.#random.below(10);
    if (kind === 0) return this.#broken(this.#plan(1 + this.#random.below(3)));
    if (kind === 1) return this.#plan(1 + this.#random.below(4));
    if (kind === 2)
      return encodeOpen(4 + this.#random.below(4), 1 + this.#random.below(4), this.#job);
    const target =
      this.#random.below(2) === 0
        ? { plan: 1 + this.#random.below(5) }
        : { sandbox: 4 + this.#random.below(5) };
    const frame = encodeExec(id, target, this.#command());
    return this.#random.below(10) === 0 ? this.#broken(frame) : frame;
  }

  #command(): Job {
    const [stdin, stdout, stderr] = [
      this.#random.pick(MODES),
      this.#random.pick(MODES),
      this.#random.pick(MODES),
    ];
    const streams = { stdin: stdin === 'capture' ? ('null' as const) : stdin, stdout, stderr };
    const argv = ['/bin/sh', '-c', this.#random.pick(SCRIPTS)];
    const limits = { wallMs: 1 + this.#random.below(1500) };
    if (this.#random.below(6) !== 0) return { ...this.#job, argv, limits, ...streams };
    return { ...this.#job, argv, limits, pty: { rows: 24, columns: 80 } };
  }

  #about(id: number): Buffer {
    const { STDIN, CREDIT, SIGNAL, WINSIZE, KILL, CLOSE, FILES, PROBE, FREEZE, USAGE } = frameType;
    const numbers = (type: number, ...values: readonly number[]): Buffer => {
      const writer = new FieldWriter(FRAME_HEADER);
      for (const [at, value] of values.entries()) writer.u32(at + 1, value, 'number');
      return finishFrame(writer, type, id);
    };
    const [any, other] = [this.#random.pick(EXTREMES), this.#random.pick(EXTREMES)];
    const from = 1 + this.#random.below(24);
    switch (this.#random.below(16)) {
      case 0:
        return rawFrame(STDIN, id, Buffer.alloc(this.#random.below(40_000), 'x'));
      case 1:
        return rawFrame(STDIN, id);
      case 2:
        return numbers(CREDIT, 1 + this.#random.below(2), any);
      case 3:
        return numbers(CREDIT, any, other);
      case 4:
        return numbers(SIGNAL, this.#random.below(66));
      case 5:
        return numbers(WINSIZE, any, other);
      case 6:
        return rawFrame(KILL, id);
      case 7:
        return rawFrame(CLOSE, id);
      case 8: {
        const writer = new FieldWriter(FRAME_HEADER);
        writer.u32(1, any, 'request');
        writer.u32(2, this.#random.below(13), 'op');
        writer.str(3, '/tmp', 'path');
        return finishFrame(writer, FILES, id);
      }
      case 9:
        return rawFrame(PROBE, id);
      case 10:
        return numbers(FREEZE, this.#random.below(2));
      case 11:
        return numbers(FREEZE, this.#random.below(3), from);
      case 12:
        return this.#random.below(2) === 0 ? rawFrame(USAGE, id) : numbers(USAGE, from);
      case 13:
        return rawFrame(frameType.STATS, id);
      case 14:
        return numbers(frameType.DIAL, any, other);
      default:
        return rawFrame(frameType.DENY, id);
    }
  }

  #plan(id: number): Buffer {
    const writer = new FieldWriter(FRAME_HEADER);
    writer.bytes(1, this.#random.pick(this.#plans));
    writer.u32(2, this.#random.below(3), 'slots');
    return finishFrame(writer, frameType.PLAN, id);
  }

  /** A body that is cut, changed or made up; the frame around it is whole. */
  #broken(frame: Buffer): Buffer {
    const type = frame.readUInt16LE(4);
    const body = Buffer.from(frame.subarray(FRAME_HEADER));
    const way = this.#random.below(3);
    if (way === 0)
      return this.#as(frame, type, body.subarray(0, this.#random.below(body.length + 1)));
    if (way === 1 && body.length > 0) {
      for (let i = 1 + this.#random.below(4); i > 0; i--)
        body[this.#random.below(body.length)] = this.#random.below(256);
      return this.#as(frame, type, body);
    }
    const noise = Uint8Array.from({ length: this.#random.below(64) }, () =>
      this.#random.below(256),
    );
    return this.#as(frame, type, noise);
  }

  #as(frame: Buffer, type: number, body: Uint8Array): Buffer {
    return rawFrame(type, frame.readUInt32LE(8), body);
  }
}
