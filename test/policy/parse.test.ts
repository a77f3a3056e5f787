import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type CaissonError, isCaissonError } from '../../src/core/error.ts';
import {
  MAX_POLICY_BYTES,
  type PolicyContext,
  parsePolicy,
  policyFromDocument,
  safeParsePolicy,
} from '../../src/policy/parse.ts';
import type { Problem } from '../../src/policy/problems.ts';

const parse = (text: string, context: PolicyContext = {}) =>
  parsePolicy(text, { source: 'p.yaml', ...context });

describe('a policy is read', () => {
  test('an empty one is the level strict', () => {
    const policy = parse('');
    assert.equal(policy.level, 'strict');
    assert.deepEqual(policy.write.rules, []);
    assert.equal(policy.network.mode, 'none');
    assert.equal(policy.workspace.mode, 'none');
    assert.equal(policy.limits.memoryBytes, 512 * 2 ** 20);
  });

  test('paths: absolute, below the workspace, below the home, carved out', () => {
    const policy = parse(
      'filesystem: {read: [/data/, src, ./lib, ~/x, "!/data/y", "$workspace/z"]}',
      {
        home: '/home/u',
      },
    );
    assert.deepEqual(policy.read.rules, [
      { path: '$workspace/lib', include: true },
      { path: '$workspace/src', include: true },
      { path: '$workspace/z', include: true },
      { path: '/data', include: true },
      { path: '/data/y', include: false },
      { path: '/home/u/x', include: true },
    ]);
    assert.equal(policy.workspace.mode, 'direct');
  });

  test('what may be written may be read', () => {
    const policy = parse('filesystem: {read: [/in], write: [/out, "!/out/x"]}');
    assert.deepEqual(
      policy.read.rules.map(({ path, include }) => `${include ? '' : '!'}${path}`),
      ['/in', '/out', '!/out/x'],
    );
  });

  test('a carve-out of a system directory carves it out of the view', () => {
    const policy = parse('filesystem: {read: ["!/usr/local"]}');
    assert.deepEqual(policy.read.rules, [
      { path: '/usr', include: true },
      { path: '/usr/local', include: false },
    ]);
  });

  test('JSON is read, with tabs, too', () => {
    const text = JSON.stringify({ level: 'moderate', limits: { memory: '1GiB' } }, null, '\t');
    const policy = parsePolicy(text, { source: 'p.json', format: 'json' });
    assert.equal(policy.limits.memoryBytes, 2 ** 30);
    assert.throws(
      () => parsePolicy('level: strict', { source: 'p.json', format: 'json' }),
      /not JSON/,
    );
  });

  test('a value of the environment stays as it is written', () => {
    const policy = parse('environment: {set: {V: 1.10, B: yes, Z: 007}}');
    const set = Object.fromEntries(policy.environment.set);
    assert.equal(set.V, '1.10');
    assert.equal(set.B, 'yes');
    assert.equal(set.Z, '007');
  });

  test('allowed destinations make the network filtered; denied ones alone do not open it', () => {
    assert.equal(parse('network: {allow: [a.example]}').network.mode, 'filtered');
    assert.equal(parse('network: {deny: [a.example]}').network.mode, 'none');
  });

  test('limits are lifted with null or unlimited where the level allows it', () => {
    assert.equal(parse('limits: {timeout: unlimited}').limits.wallMs, null);
    assert.equal(parse('limits: {timeout: ~}').limits.wallMs, null);
    only('limits: {memory: null}', { path: 'limits.memory', line: 1, column: 18 });
    only('level: paranoid\nlimits: {timeout: unlimited}', { path: 'limits.timeout', line: 2 });
  });

  test('the policy cannot be changed afterwards', () => {
    const policy = parse('filesystem: {read: [/a]}');
    assert.throws(() => (policy.read.rules as unknown[]).push(1), TypeError);
  });
});

describe('extends', () => {
  const files: Record<string, string> = {
    './base.yaml': 'filesystem: {read: [/a, "!/a/x"]}\nlimits: {memory: 1GiB, processes: 9}',
    './loop.yaml': 'extends: ./pool.yaml',
    './pool.yaml': 'extends: ./loop.yaml',
    './bad.yaml': 'limits:\n  memory: none',
    './home.yaml': 'filesystem:\n  read: [~/x]',
  };
  const resolve = (reference: string) => {
    const text = files[reference];
    return text === undefined ? undefined : { text, source: reference };
  };

  test('lists are joined, carve-outs stay, single values are replaced', () => {
    const policy = parse(
      'extends: ./base.yaml\nfilesystem: {read: [/b, /a/x]}\nlimits: {memory: 2GiB}',
      {
        resolve,
      },
    );
    assert.deepEqual(
      policy.read.rules.map(({ path, include }) => `${include ? '' : '!'}${path}`),
      ['/a', '!/a/x', '/b'],
    );
    assert.equal(policy.limits.memoryBytes, 2 ** 31);
    assert.equal(policy.limits.processes, 9);
  });

  test('profiles need no resolver; a protected pattern is dropped by name', () => {
    const policy = parse('extends: agent\nfilesystem: {protect: ["!.husky", own]}');
    assert.ok(!policy.protect.includes('.husky'));
    assert.ok(policy.protect.includes('own') && policy.protect.includes('.git/hooks'));
    only('extends: agent\nfilesystem: {protect: ["!.hsky"]}', {
      path: 'filesystem.protect[0]',
      line: 2,
    });
  });

  test('a circle, an unknown profile, a missing file, and files without a resolver are refused', () => {
    assert.match(problemOf('extends: ./loop.yaml', { resolve }).message, /extend each other/);
    assert.equal(problemOf('extends: agnet').suggestion, 'did you mean agent?');
    assert.match(problemOf('extends: ./base.yaml').message, /cannot be extended here/);
    assert.equal(errorOf('extends: ./none.yaml', { resolve }).code, 'POLICY_NOT_FOUND');
    assert.equal(errorOf('extends: toString').code, 'POLICY_INVALID');
  });

  test('a chain without an end and a tree without an end are refused', () => {
    let depth = 0;
    const endless = (_: string) => ({ text: `extends: ./${depth}.yaml`, source: `${depth++}` });
    assert.match(problemOf('extends: ./x.yaml', { resolve: endless }).message, /more policies/);
    let count = 0;
    const wide = () => ({ text: `extends: [${'./a.yaml, '.repeat(16)}]`, source: `${count++}` });
    assert.match(problemOf('extends: ./x.yaml', { resolve: wide }).message, /more policies/);
    assert.ok(count < 100);
  });

  test('a problem of a base is told with its own file and line', () => {
    const bad = problemOf('extends: ./bad.yaml', { resolve });
    assert.deepEqual([bad.source, bad.line, bad.column], ['./bad.yaml', 2, 11]);
    const home = problemOf('extends: ./home.yaml', { resolve });
    assert.deepEqual([home.source, home.line, home.column], ['./home.yaml', 2, 10]);
  });
});

describe('a bad policy is refused, at its line and column', () => {
  const rows: [what: string, text: string, expected: Partial<Problem>][] = [
    [
      'unknown key',
      'filesystem:\n  raed: [a]',
      { line: 2, column: 3, suggestion: 'did you mean read?' },
    ],
    ['swapped letters', 'limits:\n  memroy: 1', { line: 2, suggestion: 'did you mean memory?' }],
    ['key of a section', 'memory: 1GiB', { line: 1, suggestion: 'it belongs under limits' }],
    ['unknown value', 'level: strct', { line: 1, column: 8, suggestion: 'did you mean strict?' }],
    ['other version', 'version: 2', { line: 1, column: 10 }],
    ['zero', 'limits:\n  memory: 0', { path: 'limits.memory', line: 2, column: 11 }],
    ['2^64', 'limits: {memory: 18446744073709551616}', { path: 'limits.memory' }],
    ['2^53', 'limits: {memory: 9007199254740992}', { path: 'limits.memory' }],
    ['negative', 'limits: {processes: -1}', { path: 'limits.processes' }],
    ['infinite', 'limits: {memory: .inf}', { path: 'limits.memory' }],
    [
      'way out',
      'filesystem:\n  write:\n    - a\n    - a/../../x',
      { path: 'filesystem.write[1]', line: 4, column: 7 },
    ],
    ['way out by carve-out', 'filesystem: {read: ["!../x"]}', { path: 'filesystem.read[0]' }],
    ['home unknown', 'filesystem: {read: [~/x]}', { path: 'filesystem.read[0]' }],
    ["another's home", 'filesystem: {read: [~root]}', { path: 'filesystem.read[0]' }],
    ['not normal', 'filesystem: {read: [/a//b]}', { path: 'filesystem.read[0]' }],
    ['wildcard', 'filesystem: {read: ["/a/*"]}', { path: 'filesystem.read[0]' }],
    ['empty path', 'filesystem: {read: [""]}', { path: 'filesystem.read[0]' }],
    ['relative scratch', 'filesystem: {scratch: [tmp]}', { path: 'filesystem.scratch' }],
    ['NUL escape', 'name: "a\\0b"', { line: 1, column: 7 }],
    ['NUL byte', 'level: strict\nname: a\0b', { line: 2, column: 8 }],
    ['NUL in a key', '"a\\0b": 1', { line: 1 }],
    ['duplicate key', 'level: strict\nlevel: none', { path: 'level', line: 2, column: 1 }],
    ['alias', 'filesystem: {read: &a [x], write: *a}', { line: 1 }],
    ['merge key', '<<: {level: none}', { line: 1 }],
    ['tag', 'name: !!str x', { line: 1 }],
    ['own tag', 'name: !evil x', { line: 1 }],
    ['prototype', '__proto__: {level: none}', { path: '__proto__', line: 1 }],
    ['constructor', 'environment: {set: {constructor: x}}', { line: 1 }],
    ['two documents', 'level: strict\n---\nlevel: none', { line: 2 }],
    ['broken YAML', 'filesystem: {read: [a', { line: 1 }],
    ['a list', '- a', { line: 1 }],
    ['deep', `a: ${'['.repeat(40)}${']'.repeat(40)}`, { line: 1 }],
    ['URL', 'network: {allow: ["https://a.example"]}', { path: 'network.allow[0]' }],
    ['odd address', 'network: {allow: [0x7f.1]}', { path: 'network.allow[0]' }],
    ['octal address', 'network: {allow: [010.0.0.1]}', { path: 'network.allow[0]' }],
    ['host bits', 'network: {allow: [10.1.2.3/8]}', { suggestion: 'did you mean 10.0.0.0/8?' }],
    ['port', 'network: {allow: ["a.example:65536"]}', { path: 'network.allow[0]' }],
    [
      'no meaning',
      'network: {mode: none, allow: [a.example]}',
      { path: 'network.mode', column: 17 },
    ],
    ['capability', 'capabilities: {add: [net_rwa]}', { suggestion: 'did you mean CAP_NET_RAW?' }],
    ['weak wall', 'walls: [process, none]', { path: 'walls[1]', column: 18 }],
    ['environment name', 'environment: {set: {A=B: x}}', { line: 1 }],
    ['device', 'devices: [/etc/passwd]', { path: 'devices[0]' }],
    ['soft above hard', 'limits: {memory: 1MiB, memoryHigh: 2MiB}', { path: 'limits.memoryHigh' }],
    [
      'hidden but writable',
      'filesystem: {read: ["!a"], write: [.]}',
      { path: 'filesystem.read[0]' },
    ],
    ['whole of the system', 'filesystem: {read: ["!/opt"]}', { path: 'filesystem.read[0]' }],
    ['all of the system', 'filesystem: {read: ["!/"]}', { path: 'filesystem.read[0]' }],
    ['no workspace', 'filesystem: {workspace: none, read: [a]}', { path: 'filesystem.workspace' }],
    ['unused workspace', 'filesystem: {workspace: overlay}', { path: 'filesystem.workspace' }],
    ['unused apply', 'filesystem: {apply: auto, write: [.]}', { path: 'filesystem.apply' }],
    ['protect outside', 'filesystem: {protect: [/etc/x]}', { path: 'filesystem.protect[0]' }],
  ];
  for (const [what, text, expected] of rows) {
    test(what, () => {
      only(text, expected);
    });
  }

  test('hermetic: a path in both input and output, both lines named', () => {
    const text = 'hermetic: true\nfilesystem:\n  read:\n    - src\n  write:\n    - src/out';
    const problem = only(text, { path: 'filesystem.write[0]', line: 6, column: 7 });
    assert.match(problem.message, /src \(line 4\)/);
    const apart = parse('hermetic: true\nfilesystem: {read: [src], write: [out]}');
    assert.deepEqual(apart.read.rules, [{ path: '$workspace/src', include: true }]);
    assert.equal(apart.hermetic, true);
  });

  test('all problems are told at once, in the order of their lines', () => {
    const error = errorOf(
      'levl: x\nlimits: {memory: 0, timeout: 0}\nfilesystem: {read: [../a, a//b], read: [c]}',
    );
    const problems = error.details.problems as Problem[];
    assert.deepEqual(
      problems.map(({ line }) => line),
      [1, 2, 2, 3, 3, 3],
    );
  });

  test('a thousand problems make a short error', () => {
    const text = `${Array.from({ length: 1000 }, (_, i) => `k${i}: 1`).join('\n')}`;
    assert.ok(errorOf(text).message.length < 10_000);
  });
});

describe('size', () => {
  test('100 MB are refused before they are looked at', () => {
    const text = 'a: 1\n'.repeat(20 * 2 ** 20);
    const bytes = new TextEncoder().encode(text);
    for (const input of [text, bytes]) {
      const before = process.cpuUsage();
      assert.throws(() => parsePolicy(input, { source: 'p' }), hasCode('POLICY_TOO_LARGE'));
      const { user, system } = process.cpuUsage(before);
      // Reading 100 MB takes seconds; the bound is wide so that a busy machine passes.
      assert.ok(user + system < 100_000, `took ${user + system} µs`);
    }
  });

  test('the limit is in bytes', () => {
    const text = `# ${'é'.repeat(MAX_POLICY_BYTES / 2)}`;
    assert.ok(text.length < MAX_POLICY_BYTES);
    assert.throws(() => parse(text), hasCode('POLICY_TOO_LARGE'));
  });

  test('bytes that are not UTF-8 are refused', () => {
    const bytes = new Uint8Array([0x6e, 0x3a, 0x20, 0xff]);
    assert.throws(() => parsePolicy(bytes, { source: 'p' }), hasCode('POLICY_INVALID'));
  });

  test('an alias bomb is refused', () => {
    const lines = ['a0: &a0 [x, x]'];
    for (let i = 1; i < 40; i++) lines.push(`a${i}: &a${i} [*a${i - 1}, *a${i - 1}]`);
    assert.throws(() => parse(lines.join('\n')), /aliases are not allowed/);
  });

  test('texts of the largest size made to be slow or deep still get a typed error', () => {
    const fill = (piece: string) => piece.repeat(Math.floor(60_000 / piece.length));
    for (const piece of [
      '[',
      '{a: ',
      '- ',
      '? ',
      'k: 1\n',
      ']',
      '"a" ',
      '!<a> ',
      'a: *b\n',
      '&a ',
      '\\',
    ]) {
      assert.throws(() => parse(fill(piece)), hasCode('POLICY_INVALID'), JSON.stringify(piece));
    }
    const many = Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join('\n');
    assert.throws(() => parse(many), hasCode('POLICY_INVALID'));
  });
});

describe('properties', () => {
  test('any text gives a policy or a typed error with a place', () => {
    const word = fc.constantFrom(
      'level',
      'limits',
      'filesystem',
      'read',
      'memory',
      'strict',
      ': ',
      ':\n  ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      ',',
      '"',
      "'",
      '\n',
      '  ',
      '!',
      '&a',
      '*a',
      '|',
      '>',
      '#',
      '0',
      '..',
      '/',
      '~',
      '\0',
      '<<',
      '__proto__',
      '\t',
      '\\',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 30 }).map((words) => words.join('')),
    );
    fc.assert(
      fc.property(text, (value) => {
        try {
          assert.equal(parse(value).version, 1);
        } catch (error) {
          if (!isCaissonError(error)) throw error;
          const problems = error.details.problems as Problem[];
          assert.ok(problems.length > 0 && problems.every(({ line = 0 }) => line >= 1), value);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('any value in memory gives a policy or a typed error', () => {
    const document = fc.oneof(
      fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
      fc.record(
        {
          level: fc.anything(),
          extends: fc.anything(),
          filesystem: fc.record(
            { read: fc.array(fc.string()), write: fc.anything() },
            { requiredKeys: [] },
          ),
          limits: fc.record(
            { memory: fc.anything(), timeout: fc.anything() },
            { requiredKeys: [] },
          ),
          environment: fc.record(
            { set: fc.dictionary(fc.string(), fc.string()) },
            { requiredKeys: [] },
          ),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(document, (value) => {
        try {
          const policy = policyFromDocument(value);
          assert.ok(!JSON.stringify(policy).includes('\\u0000'));
        } catch (error) {
          if (!isCaissonError(error)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('the safe twin returns what the other throws', async () => {
    const bad = await safeParsePolicy('level: x', { source: 'p' });
    assert.ok(!bad.ok && bad.error.code === 'POLICY_INVALID');
    const good = await safeParsePolicy('level: basic', { source: 'p' });
    assert.ok(good.ok && good.value.level === 'basic');
  });
});

function errorOf(text: string, context: PolicyContext = {}): CaissonError {
  try {
    parse(text, context);
  } catch (error) {
    if (isCaissonError(error)) return error;
    throw error;
  }
  return assert.fail(`this was taken for a policy: ${text}`);
}

function problemOf(text: string, context: PolicyContext = {}): Problem {
  const error = errorOf(text, context);
  assert.equal(error.code, 'POLICY_INVALID');
  const [problem] = error.details.problems as Problem[];
  return problem ?? assert.fail('no problem was told');
}

/** The one problem of a text, with these properties among its own. */
function only(text: string, expected: Partial<Problem>): Problem {
  const problem = problemOf(text);
  for (const [key, value] of Object.entries(expected)) {
    assert.equal(problem[key as keyof Problem], value, `${key} of ${JSON.stringify(problem)}`);
  }
  return problem;
}

function hasCode(code: string) {
  return (error: unknown) => isCaissonError(error) && error.code === code;
}
