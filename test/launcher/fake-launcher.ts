/**
 * A launcher in TypeScript for tests of the client: speaks the protocol on descriptor 3 and runs nothing.
 * What it does with a job is told by the job's first argument:
 *
 *   echo        RESULT with the arguments on stdout, the environment on stderr, the input behind them
 *   slow        no answer until KILL
 *   stream N    N bytes of stdout, honouring CREDIT, then RESULT
 *   cat         STDIN back as STDOUT, each frame credited, RESULT at the end of input
 *   missing     ERROR class 7, ENOENT
 *   die         the process ends
 *   split       as echo, its frame sent in pieces of one byte
 *
 * Started as `nonsense` it answers questions with bodies that nobody can read; as `slow-files` it answers requests for
 * files once it was asked to freeze, which it refuses.
 */
import { Socket } from 'node:net';
import { FieldWriter, readFields, readStr, readU32 } from '../../src/launcher/protocol/fields.ts';
import {
  FRAME_HEADER,
  FrameReader,
  finishFrame,
  frameType,
  rawFrame,
} from '../../src/launcher/protocol/frame.ts';

const socket = new Socket({ fd: 3 });
const mode = process.argv[2] ?? 'serve';
const streams = new Map<number, { left: number; ahead: number }>();
const late: Buffer[] = [];
let largestAhead = 0;

const reader = new FrameReader(receive);
socket.on('data', (chunk) => reader.push(chunk));
socket.on('end', () => process.exit(0));

function receive(type: number, id: number, body: Buffer): void {
  switch (type) {
    case frameType.HELLO:
      send(
        record(frameType.HELLO, 0, (w) => {
          w.u32(1, mode === 'wrong-version' ? 7 : 1, 'version');
          w.str(2, 'fake', 'build');
        }),
      );
      break;
    case frameType.PLAN: {
      const plan = [...readFields(body)].find((field) => field.tag === 1);
      if (plan?.body.toString('latin1', 0, 8) !== 'CAISPLAN') sendError(id, 2, 'plan_parse', 22);
      else send(record(frameType.READY, id, () => {}));
      break;
    }
    case frameType.OPEN:
      send(record(frameType.OPENED, id, (w) => w.i32(1, 4242, 'pid')));
      break;
    case frameType.EXEC:
      exec(id, body);
      break;
    case frameType.CREDIT: {
      const fields = [...readFields(body)];
      const stream = streams.get(id);
      if (stream !== undefined && fields[1] !== undefined) {
        stream.ahead -= readU32(fields[1]);
        pump(id);
      }
      break;
    }
    case frameType.STDIN:
      if (body.length === 0) send(result(id, 0, 0));
      else {
        send(rawFrame(frameType.STDOUT, id, body));
        send(record(frameType.STDIN_CREDIT, id, (w) => w.u32(1, body.length, 'bytes')));
      }
      break;
    case frameType.KILL:
      send(result(id, 9, 5));
      break;
    case frameType.CLOSE:
      send(record(frameType.CLOSED, id, (w) => w.u64(4, 5, 'cpu')));
      break;
    case frameType.FREEZE:
      sendError(id, 4, 'freeze', 95);
      for (const reply of late.splice(0)) send(reply);
      break;
    case frameType.USAGE:
      send(record(frameType.USAGE_REPLY, id, (w) => w.u64(6, 12345, 'memory')));
      break;
    case frameType.FILES: {
      const fields = [...readFields(body)];
      const number = fields.find((field) => field.tag === 1);
      const reply = record(frameType.FILES_REPLY, id, (w) => {
        w.u32(1, number === undefined ? 0 : readU32(number), 'request');
        w.i32(2, 2, 'errno');
      });
      if (mode === 'slow-files') late.push(reply);
      else send(reply);
      break;
    }
    case frameType.PROBE:
      send(
        record(frameType.FACTS, id, (w) => {
          w.str(1, '6.18.0', 'kernel');
          w.u32(3, 7, 'landlock');
        }),
      );
      break;
    default:
      break;
  }
}

function exec(id: number, body: Buffer): void {
  const argv: string[] = [];
  const env: string[] = [];
  let input = Buffer.alloc(0);
  const job = [...readFields(body)].find((field) => field.tag === 3);
  for (const field of readFields(job?.body ?? Buffer.alloc(0))) {
    if (field.tag === 1) argv.push(readStr(field, true));
    if (field.tag === 2) env.push(readStr(field));
    if (field.tag === 12) input = Buffer.from(field.body);
  }
  switch (argv[0]) {
    case 'slow':
      break;
    case 'cat':
      send(record(frameType.STARTED, id, (w) => w.i32(1, 78, 'pid')));
      break;
    case 'die':
      process.stderr.write('fake launcher dies\n', () => process.exit(3));
      break;
    case 'missing':
      sendError(id, 7, 'exec', 2);
      break;
    case 'stream':
      streams.set(id, { left: Number(argv[1]), ahead: 0 });
      send(record(frameType.STARTED, id, (w) => w.i32(1, 77, 'pid')));
      pump(id);
      break;
    default: {
      const out = Buffer.concat([Buffer.from(argv.slice(1).join('|')), input]);
      const frame = result(id, 0, 0, out, Buffer.from(env.join('|')));
      if (argv[0] !== 'split') send(frame);
      else sendSlowly(frame);
    }
  }
}

function pump(id: number): void {
  const stream = streams.get(id);
  if (stream === undefined) return;
  while (stream.left > 0 && stream.ahead < 256 * 1024) {
    const size = Math.min(stream.left, 64 * 1024, 256 * 1024 - stream.ahead);
    stream.left -= size;
    stream.ahead += size;
    largestAhead = Math.max(largestAhead, stream.ahead);
    send(rawFrame(frameType.STDOUT, id, Buffer.alloc(size, 'x')));
  }
  if (stream.left === 0) {
    streams.delete(id);
    send(result(id, 0, 0));
  }
}

function result(id: number, status: number, cause: number, out?: Buffer, err?: Buffer): Buffer {
  return record(frameType.RESULT, id, (w) => {
    w.i32(1, status, 'status');
    w.u32(2, cause, 'cause');
    w.u64(6, largestAhead, 'memory');
    if (out !== undefined) w.bytes(12, out);
    if (err !== undefined) w.bytes(13, err);
  });
}

function sendError(id: number, kind: number, step: string, errno: number): void {
  send(
    record(frameType.ERROR, id, (w) => {
      w.u32(1, kind, 'class');
      w.str(2, step, 'step');
      w.i32(3, errno, 'errno');
    }),
  );
}

function record(type: number, id: number, write: (writer: FieldWriter) => void): Buffer {
  const writer = new FieldWriter(FRAME_HEADER);
  write(writer);
  return finishFrame(writer, type, id);
}

const answers = new Set<number>([frameType.FACTS, frameType.USAGE_REPLY, frameType.OPENED]);

function send(frame: Buffer): void {
  const type = frame.readUInt16LE(4);
  const nonsense = mode === 'nonsense' && answers.has(type);
  socket.write(nonsense ? rawFrame(type, frame.readUInt32LE(8), Buffer.from('???')) : frame);
}

function sendSlowly(frame: Buffer): void {
  let at = 0;
  const next = (): void => {
    if (at >= frame.length) return;
    socket.write(frame.subarray(at, at + 1));
    at += 1;
    setImmediate(next);
  };
  next();
}
