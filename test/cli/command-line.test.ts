/** Words to commands, flags and values; and what is said when they do not fit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import { findCommand } from '../../src/cli/find-command.ts';
import { parseCommandLine } from '../../src/cli/parse-command-line.ts';
import { isCaissonError } from '../../src/core/error.ts';

function parse(...words: string[]) {
  const { command, rest } = findCommand(words);
  return parseCommandLine(command, rest);
}

function refusal(...words: string[]): { message: string; hint: string } {
  try {
    parse(...words);
  } catch (error) {
    assert.ok(isCaissonError(error));
    assert.equal(error.code, 'REQUEST_INVALID');
    return { message: error.message, hint: error.hint ?? '' };
  }
  return assert.fail(`${words.join(' ')} was accepted`);
}

test('flags, short and long, with = and without, repeated', () => {
  const { flags, argv, json } = parse(
    ...[
      'run',
      '-m',
      '256MiB',
      '--timeout=5s',
      '--read',
      '/a',
      '-r',
      '/b',
      '--json',
      '--',
      'ls',
      '-l',
    ],
  );
  assert.deepEqual(flags, { memory: '256MiB', timeout: '5s', read: ['/a', '/b'] });
  assert.deepEqual(argv, ['ls', '-l']);
  assert.equal(json, true);
});

test('the guest’s own words are not looked at, with -- and without', () => {
  assert.deepEqual(parse('run', '--', '--json', '--nonsense', '--', 'x').argv, [
    '--json',
    '--nonsense',
    '--',
    'x',
  ]);
  const bare = parse('run', '--cpu', '2', 'python3', '--json', '-c', 'print(1)');
  assert.deepEqual(bare.argv, ['python3', '--json', '-c', 'print(1)']);
  assert.deepEqual(bare.flags, { cpu: '2' });
  assert.equal(bare.json, false);
  assert.deepEqual(parse('run', '--', '').argv, [''], 'an empty word is a word');
});

test('--no-tty and --tty; only what can be negated', () => {
  assert.deepEqual(parse('run', '--no-tty', 'x').flags, { tty: false });
  assert.deepEqual(parse('run', '--tty', 'x').flags, { tty: true });
  assert.match(refusal('run', '--no-memory', 'x').message, /no flag --no-memory/);
});

test('commands of two words', () => {
  assert.deepEqual(parse('policy', 'check', 'a.yaml', 'b.yaml').positionals, ['a.yaml', 'b.yaml']);
  assert.equal(findCommand(['policy', 'show']).command.name, 'policy show');
  assert.match(refusal('policy').message, /check, diff, show, init/);
  assert.match(refusal('policy', 'chek').hint, /did you mean caisson policy check\?/);
});

test('says what was meant', () => {
  assert.match(refusal('rnu').hint, /did you mean caisson run\?/);
  // Of another group: keys of the service are not those that sign.
  assert.match(refusal('keys', 'create').hint, /did you mean caisson access keys create\?/);
  assert.match(refusal('tenants').hint, /did you mean caisson access tenants\?/);
  assert.match(refusal('list').hint, /--help lists the commands/);
  assert.match(refusal('run', '--memroy', '1MiB', 'x').hint, /did you mean --memory\?/);
  assert.match(refusal('run', '--level', 'parnoid', 'x').hint, /did you mean --level paranoid\?/);
  assert.match(refusal('completion', 'bsah').hint, /did you mean bash\?/);
});

test('refuses values that cannot be, before anything happens', () => {
  for (const [flag, value, says] of [
    ['--memory', '0', /not more than zero/],
    ['--memory', '18446744073709551616', /too large/],
    ['--memory', 'lots', /not a size/],
    ['--timeout', 'soon', /not a duration/],
    ['--cpu', '0', /out of range/],
    ['--processes', '1.5', /whole number/],
    ['--read', 'a\0b', /NUL/],
  ] as const) {
    assert.match(refusal('run', flag, value, 'x').message, says, `${flag} ${value}`);
  }
});

test('a flag without its value is not given the next flag', () => {
  const { message, hint } = refusal('run', '--policy', '--json', '--', 'x');
  assert.match(message, /--policy needs a value/);
  assert.match(hint, /--policy=--json/);
  assert.match(refusal('run', '--policy').message, /needs a value: --policy FILE/);
  assert.match(refusal('run', '--json=yes', 'x').message, /takes no value/);
  assert.match(refusal('run', '--memory', '1MiB', '--memory', '2MiB', 'x').message, /twice/);
});

test('what is missing and what is too much', () => {
  assert.match(refusal('run').message, /needs a command/);
  assert.match(refusal('run', '--').message, /needs a command/);
  assert.match(refusal('policy', 'diff', 'a').message, /needs B/);
  assert.match(refusal('doctor', 'now').message, /does not take "now"/);
  assert.equal(parse('run', '--help').help, true, 'help needs no command');
});

test('10,000 arguments and names of the prototype', () => {
  const many = Array.from({ length: 10_000 }, (_, i) => `a${i}`);
  assert.equal(parse('run', '--', ...many).argv.length, 10_000);
  for (const name of ['--constructor', '--__proto__', '--toString']) {
    assert.match(refusal('run', name, 'x').message, /no flag/);
  }
});

test('the table holds together', () => {
  for (const command of commands) {
    const shorts = Object.values(command.flags).flatMap(({ short }) => short ?? []);
    assert.equal(new Set([...shorts, 'h']).size, shorts.length + 1, `${command.name}: short flags`);
    assert.ok(
      !(command.guest && command.positionals),
      `${command.name}: words belong to the guest`,
    );
    const optional = (command.positionals ?? []).map((each) => each.optional === true);
    assert.deepEqual(optional, optional.toSorted(), `${command.name}: optional words come last`);
  }
});

test('every command can be loaded', async () => {
  for (const command of commands) {
    assert.equal(typeof (await command.load()).action, 'function', command.name);
  }
});
