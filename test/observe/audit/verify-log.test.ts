/** Every way to alter a log, named. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { Finding } from '../../../src/observe/audit/finding.ts';
import { logFilesOf } from '../../../src/observe/audit/log-files.ts';
import { lineBody, parseRecord, recordHash } from '../../../src/observe/audit/record.ts';
import { openSigningKey } from '../../../src/observe/audit/signing-key.ts';
import { alter, type Forged, loadForged, makeHashesAnew, store } from './forger.ts';
import { fill, makeRoom, type Room } from './sample-log.ts';

const RECORDS = 3000;
const EVERY = 64;
let room: Room;
let original: string;
let untouched: Forged | undefined;

before(async () => {
  room = makeRoom();
  const options = {
    rotate: { bytes: 100_000 },
    checkpointEvery: { records: EVERY, seconds: 3600 },
  };
  original = room.directory('original');
  for (const name of ['original', 'other']) {
    await using log = await room.open({ directory: room.directory(name), ...options });
    await fill(log, RECORDS);
  }
});
after(() => room[Symbol.dispose]());

/** What is found in a copy that was tampered with. */
function tampered(tamper: (log: Forged) => void, options = {}): readonly Finding[] {
  const path = room.directory();
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path);
  untouched ??= loadForged(original);
  const log = {
    files: untouched.files.map((file) => ({
      path: join(path, basename(file.path)),
      lines: [...file.lines],
    })),
  };
  tamper(log);
  store(log);
  return room.verify(options).findings;
}

/** A place in the middle of a file that is no checkpoint and has none beside it. */
function place(log: Forged, file = 2): { lines: string[]; at: number; seq: number; path: string } {
  const { lines = [], path = '' } = log.files[file] ?? {};
  let at = Math.floor(lines.length / 2);
  while (/checkpoint/.test(lines.slice(at - 4, at + 5).join(''))) at++;
  return { lines, at, seq: Number(/\d+/.exec(lines[at] ?? '')?.[0]), path };
}

test('an untouched log is good, and says where it ends', () => {
  const result = room.verify({ path: original });
  assert.deepEqual(result.findings, []);
  assert.ok(result.ok && result.files > 5 && result.records > RECORDS && result.checkpoints > 40);
  assert.equal(result.unsigned, 0);
  assert.equal(result.signedThrough, result.head.seq);
});

describe('without making hashes anew, the record itself is named', () => {
  let at = 0;
  let line = 0;
  let path = '';
  const tamperOne = (act: (lines: string[], at: number) => void): readonly Finding[] =>
    tampered((log) => {
      const chosen = place(log);
      at = chosen.seq;
      line = chosen.at + 1;
      path = chosen.path;
      act(chosen.lines, chosen.at);
    });
  const only = (found: readonly Finding[]): Partial<Finding> => {
    assert.equal(found.length, 1, JSON.stringify(found));
    const { what, seq, line: foundLine, file } = found[0] as Finding;
    return { what, seq, line: foundLine, file };
  };

  test('changed', () => {
    const found = tamperOne((lines, i) => {
      lines[i] = alter(lines[i] ?? '');
    });
    assert.deepEqual(only(found), { what: 'changed', seq: at, line, file: path });
  });
  test('removed', () => {
    const found = tamperOne((lines, i) => lines.splice(i, 1));
    assert.deepEqual(only(found), { what: 'removed', seq: at, line, file: path });
  });
  test('two removed', () => {
    const found = tamperOne((lines, i) => lines.splice(i, 2));
    assert.deepEqual(only(found), { what: 'removed', seq: at, line, file: path });
    assert.equal(found[0]?.to, at + 1);
  });
  test('duplicated', () => {
    const found = tamperOne((lines, i) => lines.splice(i, 0, lines[i] ?? ''));
    assert.deepEqual(only(found), { what: 'repeated', seq: at, line: line + 1, file: path });
  });
  test('replayed', () => {
    const found = tamperOne((lines, i) => lines.splice(i, 0, lines[3] ?? ''));
    const [one] = found;
    assert.equal(one?.what, 'repeated');
    assert.equal(one?.line, line);
    assert.equal(found.length, 1);
  });
  test('neighbours exchanged', () => {
    const found = tamperOne((lines, i) => {
      [lines[i], lines[i + 1]] = [lines[i + 1] ?? '', lines[i] ?? ''];
    });
    assert.deepEqual(only(found), { what: 'moved', seq: at + 1, line, file: path });
  });
  test('moved far', () => {
    const found = tamperOne((lines, i) => lines.splice(i + 3, 0, ...lines.splice(i, 1)));
    assert.ok(found.some(({ what, seq }) => what === 'moved' && seq === at));
  });
  test('from another log', () => {
    const other = loadForged(room.directory('other'));
    const found = tamperOne((lines, i) => {
      const seq = Number(/\d+/.exec(lines[i] ?? '')?.[0]);
      lines[i] = other.files.flatMap((file) => file.lines)[seq] ?? '';
    });
    assert.equal(found.length, 1);
    assert.equal(found[0]?.what, 'changed');
    assert.equal(found[0]?.seq, at);
  });
  test('its own hash made anew, the rest not', () => {
    const found = tampered((log) => {
      const { lines, at: i, seq } = place(log);
      at = seq;
      const before = lines.slice(i + 1);
      lines[i] = alter(lines[i] ?? '');
      makeHashesAnew(log, false);
      lines.splice(i + 1, before.length, ...before);
      for (const [index, file] of log.files.entries())
        if (index > 2) file.lines = [...(untouched?.files[index]?.lines ?? [])];
    });
    assert.equal(found.length, 1);
    assert.equal(found[0]?.seq, at);
    assert.equal(found[0]?.what, 'changed');
  });
  test('no record at all', () => {
    const found = tamperOne((lines, i) => lines.splice(i, 0, 'nonsense'));
    assert.equal(found[0]?.what, 'malformed');
    assert.equal(found[0]?.line, line);
    assert.equal(found.length, 1);
  });
});

describe('files', () => {
  const paths = (): string[] => logFilesOf(room.directory()).map(({ path }) => path);
  test('one missing', () => {
    tampered(() => {});
    const [, , third = ''] = paths();
    const { first } = logFilesOf(room.directory())[2] as { first: number };
    rmSync(third);
    const { findings } = room.verify();
    assert.equal(findings[0]?.what, 'removed');
    assert.equal(findings[0]?.seq, first);
    assert.equal(findings.length, 1, JSON.stringify(findings));
  });
  test('the first missing', () => {
    tampered(() => {});
    rmSync(paths()[0] ?? '');
    const { findings } = room.verify();
    assert.deepEqual(
      findings.map(({ what, seq }) => [what, seq]),
      [['removed', 0]],
    );
  });
  test('the first missing, and a record that says so, which nobody signed', () => {
    tampered((log) => {
      const lines = log.files.at(-1)?.lines ?? [];
      const last = parseRecord(lines.at(-1) ?? '');
      const draft = { event: 'retired', details: '{"through":999999}' };
      const body = lineBody(draft, (last?.seq ?? 0) + 1, BigInt(last?.ts ?? 0) + 1n);
      lines.push(`${body}${recordHash(last?.hash ?? '', body)}"}`);
    });
    assert.deepEqual(room.verify().findings, []);
    rmSync(paths()[0] ?? '');
    const { findings } = room.verify();
    assert.deepEqual(
      findings.map(({ what, seq }) => [what, seq]),
      [['removed', 0]],
    );
  });
  test('two exchanged', () => {
    tampered(() => {});
    const [, b = '', c = ''] = paths();
    renameSync(b, `${b}.x`);
    renameSync(c, b);
    renameSync(`${b}.x`, c);
    const { findings } = room.verify();
    assert.deepEqual(
      findings.map(({ what, file }) => [what, file]),
      [
        ['moved', b],
        ['moved', c],
      ],
    );
  });
  test('one of another log', () => {
    tampered(() => {});
    const other = logFilesOf(room.directory('other'))[2]?.path ?? '';
    writeFileSync(paths()[2] ?? '', readFileSync(other));
    const { findings } = room.verify();
    assert.ok(['foreign', 'moved'].includes(findings[0]?.what ?? ''));
    assert.equal(findings[0]?.file, paths()[2]);
  });
  test('a log for another one', () => {
    const { log } = room.verify({ path: original });
    const { findings } = room.verify({ path: room.directory('other'), log });
    assert.equal(findings[0]?.what, 'foreign');
  });
});

describe('with all hashes made anew, the range between two checkpoints is named', () => {
  const acts: Record<string, (lines: string[], at: number) => void> = {
    changed: (lines, at) => {
      lines[at] = alter(lines[at] ?? '');
    },
    removed: (lines, at) => lines.splice(at, 1),
    added: (lines, at) => lines.splice(at, 0, lines[at] ?? ''),
    exchanged: (lines, at) => {
      [lines[at], lines[at + 1]] = [lines[at + 1] ?? '', lines[at] ?? ''];
    },
  };
  for (const [name, act] of Object.entries(acts)) {
    test(name, () => {
      let seq = 0;
      const found = tampered((log) => {
        const chosen = place(log);
        seq = chosen.seq;
        act(chosen.lines, chosen.at);
        makeHashesAnew(log, true);
      });
      const range = found.find(({ what }) => what === 'range');
      assert.ok(range !== undefined, JSON.stringify(found));
      assert.ok(
        range.seq <= seq && (range.to ?? 0) >= seq - 1 && (range.to ?? 0) - range.seq <= EVERY,
      );
    });
  }
  test('a checkpoint replaced by one that another key signed', () => {
    openSigningKey(`${room.root}/forger`);
    const found = tampered((log) => {
      const { lines = [] } = log.files[1] ?? {};
      const at = lines.findIndex((line) => line.includes('"event":"checkpoint"'));
      lines[at] = (lines[at] ?? '').replace(/"sig":"[^"]{4}/, '"sig":"AAAA');
      makeHashesAnew(log, true);
    });
    assert.equal(found[0]?.what, 'checkpoint');
  });
  test('checkpoints of another log', () => {
    const other = loadForged(room.directory('other'));
    const found = tampered((log) => {
      const [mine, theirs] = [log.files[1]?.lines ?? [], other.files[1]?.lines ?? []];
      const isCheckpoint = (line: string): boolean => line.includes('"event":"checkpoint"');
      mine[mine.findIndex(isCheckpoint)] = theirs[theirs.findIndex(isCheckpoint)] ?? '';
      makeHashesAnew(log, true);
    });
    assert.equal(found[0]?.what, 'checkpoint');
    assert.match(found[0]?.message ?? '', /another log/);
  });
  test('all checkpoints taken out', () => {
    const found = tampered((log) => {
      for (const file of log.files)
        file.lines = file.lines.filter((line) => !line.includes('"event":"checkpoint"'));
      makeHashesAnew(log, true);
    });
    assert.ok(found.some(({ what }) => what === 'checkpoint'));
  });
  test('the last checkpoint’s own record', () => {
    const found = tampered((log) => {
      const lines = log.files.at(-1)?.lines ?? [];
      lines.push((lines.pop() ?? '').replace(/"ts":"1/, '"ts":"2'));
      makeHashesAnew(log, true);
    });
    assert.equal(found[0]?.what, 'checkpoint');
  });
});

describe('a tail that was cut off', () => {
  const cut = (log: Forged): void => {
    log.files.at(-1)?.lines.splice(-10);
  };
  test('is not found without more to go by, as the documentation says', () => {
    assert.deepEqual(tampered(cut), []);
  });
  test('is found with the number or the hash of a record that must be there', () => {
    const { seq, hash } = room.verify({ path: original }).head;
    assert.equal(tampered(cut, { expectHead: { seq } })[0]?.what, 'truncated');
    assert.equal(tampered(cut, { expectHead: { hash } })[0]?.what, 'truncated');
    assert.deepEqual(
      tampered(() => {}, { expectHead: { seq, hash } }),
      [],
    );
  });
});

test('a thousand random tamperings are found, each with its place', () => {
  const shape = loadForged(original).files.map(({ lines }) => lines.length);
  const total = shape.reduce((sum, count) => sum + count, 0);
  const kinds = ['change', 'remove', 'repeat', 'exchange', 'replay'] as const;
  const one = fc.record({
    kind: fc.constantFrom(...kinds),
    // The last file's last line is what a cut takes away: nobody can tell without more to go by.
    at: fc.nat({ max: total - 3 }),
    other: fc.nat({ max: total - 3 }),
    anew: fc.boolean(),
  });
  fc.assert(
    fc.property(one, ({ kind, at, other, anew }) => {
      let place = { path: '', line: 0 };
      const found = tampered((log) => {
        const all = log.files.flatMap(({ lines }, file) =>
          lines.map((_, index) => ({ file, index })),
        );
        const [here, there] = [all[at], all[other === at ? other + 1 : other]];
        const lines = log.files[here?.file ?? 0]?.lines ?? [];
        const others = log.files[there?.file ?? 0]?.lines ?? [];
        const [i, j] = [here?.index ?? 0, there?.index ?? 0];
        place = { path: log.files[here?.file ?? 0]?.path ?? '', line: i + 1 };
        if (kind === 'change') lines[i] = alter(lines[i] ?? '');
        if (kind === 'remove') lines.splice(i, 1);
        if (kind === 'repeat') lines.splice(i, 0, lines[i] ?? '');
        if (kind === 'replay') lines.splice(i, 0, others[j] ?? '');
        if (kind === 'exchange') [lines[i], others[j]] = [others[j] ?? '', lines[i] ?? ''];
        if (anew) makeHashesAnew(log, true);
      });
      assert.ok(found.length > 0, 'found');
      const near = Math.min(...[at, kind === 'exchange' ? other : at]);
      const slack = EVERY + 2;
      assert.ok(
        found.some(
          ({ seq, to = seq, file, line }) =>
            (seq <= near + slack && to >= near - slack) ||
            (file === place.path && Math.abs(line - place.line) <= 1),
        ),
        `near ${near}: ${JSON.stringify(found.slice(0, 3))}`,
      );
    }),
    { numRuns: Number(process.env.CAISSON_TAMPERINGS ?? 1000) },
  );
});
