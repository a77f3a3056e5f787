/**
 * Whatever the library exports and takes options: a name that nobody knows, a value of another kind, and what holds no
 * options at all are refused by name. Passed over, a log would be verified with less, a policy be read in another way,
 * everything be listed. Caisson's own methods: sandbox/first-mistakes.test.ts, client/mistakes.test.ts.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { RemoteKeys, RemoteTenants } from '../src/client/remote-access.ts';
import { RemoteTrust, scanRemotely, signRemotely } from '../src/client/remote-admission.ts';
import { RemoteModules } from '../src/client/remote-modules.ts';
import { RemoteSandboxes, RemoteStatistics } from '../src/client/remote-overview.ts';
import * as library from '../src/index.ts';

// biome-ignore lint/suspicious/noExplicitAny: nothing here has the right type.
type Untyped = any;

const scratch = mkdtempSync(join(tmpdir(), 'caisson-options-'));
const state = mkdtempSync(join(tmpdir(), 'caisson-options-state-'));
after(() => {
  for (const each of [scratch, state]) rmSync(each, { recursive: true, force: true });
});

const { publicKey } = generateKeyPairSync('ed25519');
const lib: Untyped = library;
const home = { home: '/home/me', cwd: '/home/me/work' };

async function withMonitor(work: (monitor: Untyped) => unknown): Promise<unknown> {
  await using caisson = await library.Caisson.open({ stateDirectory: scratch });
  using monitor = await caisson.monitor();
  return await work(monitor);
}

async function withTelemetry(work: (telemetry: Untyped) => unknown): Promise<unknown> {
  await using telemetry = await library.openTelemetry({}, {});
  return await work(telemetry);
}

async function withSandbox(work: (sandbox: Untyped) => unknown): Promise<unknown> {
  await using caisson = await library.Caisson.open({ stateDirectory: state });
  await using sandbox = await caisson.create();
  return await work(sandbox);
}

/** Nothing of what is wrong may be sent. */
const nobody: Untyped = new Proxy(
  {},
  {
    get: () => () => {
      throw new Error('it was sent');
    },
  },
);

interface Row {
  /** With these options, and what else it needs. */
  readonly call: (options: Untyped) => unknown;
  /** A slip, and what was meant. */
  readonly slip: readonly [name: string, meant: string];
  /** An option with a value of another kind. */
  readonly wrong: object;
  /** What has to be there besides. */
  readonly needs?: object;
}

const exported: Record<string, Row> = {
  scan: {
    call: (options) => lib.scan([scratch], options),
    slip: ['treshold', 'threshold'],
    wrong: { threshold: '80' },
  },
  verifySigned: {
    call: (options) => lib.verifySigned({}, [], {}, 0, options),
    slip: ['wal', 'wall'],
    wrong: { by: 'release' },
  },
  'AuditLog.open': {
    call: (options) => lib.AuditLog.open(options),
    slip: ['checkpointsEvery', 'checkpointEvery'],
    wrong: { fsync: 'allways' },
    needs: { directory: join(scratch, 'log') },
  },
  readLog: {
    call: (options) => lib.readLog(scratch, options),
    slip: ['event', 'events'],
    wrong: { since: 5 },
  },
  verifyLog: {
    call: (options) => lib.verifyLog(options),
    slip: ['expectedHead', 'expectHead'],
    wrong: { key: 'text of a key' },
    needs: { path: scratch, key: publicKey },
  },
  verifyLogInParallel: {
    call: (options) => lib.verifyLogInParallel(options),
    slip: ['checkpoint', 'checkpoints'],
    wrong: { expectHead: { seq: '5' } },
    needs: { path: scratch, key: publicKey },
  },
  openTelemetry: {
    call: async (options) => await using_(await lib.openTelemetry(options, {})),
    slip: ['trace', 'traces'],
    wrong: { tracerProvider: Promise.resolve() },
  },
  parsePolicy: {
    call: (options) => lib.parsePolicy('level: strict', options),
    slip: ['fromat', 'format'],
    wrong: { home: 5 },
    needs: { source: 'p.yaml' },
  },
  safeParsePolicy: {
    call: async (options) => {
      const result = await lib.safeParsePolicy('level: strict', options);
      if (!result.ok) throw result.error;
    },
    slip: ['resolv', 'resolve'],
    wrong: { format: 'jsn' },
    needs: { source: 'p.yaml' },
  },
  policyFromDocument: {
    call: (options) => lib.policyFromDocument({ version: 1, level: 'strict' }, options),
    slip: ['hom', 'home'],
    wrong: { resolve: 'p.yaml' },
  },
  definePolicy: {
    call: (options) => lib.definePolicy().level('strict').build(options),
    slip: ['hom', 'home'],
    wrong: { resolve: 'p.yaml' },
  },
  policyFromSrtSettings: {
    call: (options) => lib.policyFromSrtSettings({}, options),
    slip: ['lok', 'look'],
    wrong: { look: '/etc' },
    needs: home,
  },
  sandboxed: {
    call: (options) => lib.sandboxed(() => 1, options),
    slip: ['timout', 'timeoutMs'],
    wrong: { timeoutMs: '5s' },
  },
  SandboxedToolRunner: {
    call: (options) => new lib.SandboxedToolRunner(options),
    slip: ['timout', 'timeout'],
    wrong: { memoryMb: '5' },
  },
  Caisson: {
    call: (options) => lib.Caisson.open(options),
    slip: ['observr', 'observer'],
    wrong: { nameServers: '192.0.2.53' },
  },
};

/** Of what those give. */
const given: Record<string, Row> = {
  'samples of a monitor': {
    call: (options) => withMonitor((monitor) => monitor.samples(options).next()),
    slip: ['every', 'everyMs'],
    wrong: { signal: new AbortController() },
  },
  'watch of a monitor': {
    call: (options) => withMonitor((monitor) => using_(monitor.watch(options))),
    slip: ['onAlerts', 'onAlert'],
    wrong: { thresholds: { metric: 'processes', above: 5 } },
    needs: { thresholds: [] },
  },
  'watch of telemetry': {
    call: (options) => withTelemetry((telemetry) => using_(telemetry.watch(options))),
    slip: ['pol', 'pool'],
    wrong: { usage: {} },
  },
  'changesPage of a sandbox': {
    call: (options) => withSandbox((sandbox) => sandbox.changesPage(options)),
    slip: ['limits', 'limit'],
    wrong: { limit: '5' },
    needs: { after: '' },
  },
  'shipAudit of telemetry': {
    call: (options) => withTelemetry((telemetry) => telemetry.shipAudit(options)),
    slip: ['directry', 'directory'],
    wrong: { id: 5 },
  },
};

const remote: Record<string, Row> = {
  scan: {
    call: (options) => scanRemotely(nobody, {}, options),
    slip: ['treshold', 'threshold'],
    wrong: { threshold: '80' },
  },
  sign: {
    call: (options) => signRemotely(nobody, options),
    slip: ['versoin', 'version'],
    wrong: { limits: { cpuMs: '5' } },
  },
  'trust.trust': {
    call: (options) => new RemoteTrust(nobody).trust(options),
    slip: ['untl', 'until'],
    wrong: { scope: 'all' },
  },
  'sandboxes.list': {
    call: (options) => new RemoteSandboxes(nobody).list(options),
    slip: ['labels', 'label'],
    wrong: { state: 'runing' },
  },
  'statistics.threats': {
    call: (options) => new RemoteStatistics(nobody).threats(options),
    slip: ['day', 'days'],
    wrong: [],
  },
  'keys.list': {
    call: (options) => new RemoteKeys(nobody).list(options),
    slip: ['tennant', 'tenant'],
    wrong: { tenant: 5 },
  },
  'keys.create': {
    call: (options) => new RemoteKeys(nobody).create(options),
    slip: ['expires', 'expiresMs'],
    wrong: { roles: 'operator' },
  },
  'keys.rotate': {
    call: (options) => new RemoteKeys(nobody).rotate('id', options),
    slip: ['overlap', 'overlapMs'],
    wrong: { overlapMs: '0' },
  },
  'tenants.create': {
    call: (options) => new RemoteTenants(nobody).create(options),
    slip: ['setings', 'settings'],
    wrong: { settings: [] },
  },
  'tenants.change': {
    call: (options) => new RemoteTenants(nobody).change('acme', options),
    slip: ['disable', 'disabled'],
    wrong: { disabled: 'yes' },
  },
  'modules.list': {
    call: (options) => new RemoteModules(nobody).list(options),
    slip: ['enable', 'enabled'],
    wrong: { enabled: 'yes' },
  },
  'modules.register': {
    call: (options) => new RemoteModules(nobody).register(options),
    slip: ['limit', 'limits'],
    wrong: { declares: 'network' },
  },
};

async function using_(opened: Untyped): Promise<void> {
  await (opened[Symbol.asyncDispose] ?? opened[Symbol.dispose]).call(opened);
}

async function refusal(work: () => unknown): Promise<library.CaissonError> {
  try {
    await work();
  } catch (error) {
    assert.ok(library.isCaissonError(error), String(error));
    assert.equal(error.code, 'REQUEST_INVALID');
    return error;
  }
  throw new Error('it was let through');
}

for (const [where, rows] of Object.entries({ exported, given, 'of a client': remote })) {
  describe(where, () => {
    for (const [what, { call, slip, wrong, needs = {} }] of Object.entries(rows)) {
      const [name, meant] = slip;
      test(`${what}: a slip is told by name`, async () => {
        // Also with nothing in it: it would be copied, and be lost.
        for (const value of [1, undefined]) {
          const { message, hint } = await refusal(() => call({ ...needs, [name]: value }));
          assert.match(message, new RegExp(` has no option "${name}"$`));
          assert.equal(hint, `did you mean ${meant}?`);
        }
      });
      test(`${what}: a value of another kind`, async () => {
        const { message } = await refusal(() =>
          call(Array.isArray(wrong) ? wrong : { ...needs, ...wrong }),
        );
        for (const option of Object.keys(wrong)) assert.match(message, new RegExp(option));
      });
      test(`${what}: what holds no options`, async () => {
        for (const none of [null, 5, new Map(), Promise.resolve({})]) {
          await refusal(() => call(none));
        }
      });
    }
  });
}

test('nothing was made of all that', () => assert.deepEqual(readdirSync(scratch), []));

test('every function and class that is exported takes no options, or is in the table', () => {
  const noOptions = new Set([
    'CaissonError',
    'isCaissonError',
    'digestPolicy',
    'renderExplanation',
    // Paths, keys and texts.
    'TrustFile',
    'generateKeyFiles',
    'parsePrivateKey',
    'parsePublicKey',
    'readPublicKey',
    // Its predicate is checked as the statement that is signed: SIGNATURE_INVALID, with the field.
    'signCode',
    // Tells of steps alone, is called at each, and stands in core, which knows of no names that were meant.
    'traced',
  ]);
  const left = Object.entries(library)
    .filter(([, value]) => typeof value === 'function')
    .map(([name]) => name)
    .filter((name) => !noOptions.has(name))
    .filter((name) => !Object.keys(exported).some((row) => row.split('.')[0] === name));
  assert.deepEqual(left, []);
});

describe('what a required option holds', () => {
  test('a log and its key', async () => {
    assert.match(
      (await refusal(() => lib.verifyLog({ path: scratch }))).message,
      /key is undefined/,
    );
    assert.match((await refusal(() => lib.verifyLog({ key: publicKey }))).message, /path is/);
    assert.match((await refusal(() => lib.readLog(5))).message, /path of an audit log is 5/);
  });

  test('where settings of srt hold', async () => {
    const error = await refusal(() => lib.policyFromSrtSettings({}, { home: '/home/me' }));
    assert.match(error.message, /cwd is undefined/);
  });

  test('what is scanned, and from which score it is refused', async () => {
    assert.match((await refusal(() => lib.scan(scratch))).message, /paths is a text/);
    for (const threshold of [Number.NaN, -1, 101]) {
      assert.match((await refusal(() => lib.scan([scratch], { threshold }))).message, /threshold/);
    }
  });

  test('thresholds that are watched for', async () => {
    const error = await refusal(() => withMonitor((monitor) => monitor.watch({})));
    assert.match(error.message, /thresholds is undefined/);
  });

  test('a monitor takes none itself', async () => {
    await using caisson: Untyped = await library.Caisson.open({ stateDirectory: scratch });
    const { message, hint } = await refusal(() => caisson.monitor({ everyMs: 10 }));
    assert.deepEqual([message, hint], ['monitor has no option "everyMs"', 'it takes none']);
  });
});

describe('name servers are addresses when a Caisson is opened', () => {
  const open = (nameServers: string[]) => () =>
    library.Caisson.open({ stateDirectory: scratch, nameServers });
  for (const servers of [
    ['dns.example'],
    ['192.0.2.53', '192.0.2.300'],
    ['192.0.2.53:0'],
    ['2001:db8::53:x'],
    [''],
    [],
  ]) {
    test(JSON.stringify(servers), async () => {
      const { message, hint } = await refusal(open(servers));
      assert.match(message, /^Caisson\.open: nameServers/);
      if (servers.length > 0) assert.ok(message.includes(JSON.stringify(servers.at(-1))), message);
      assert.match(hint ?? '', /192\.0\.2\.53/);
    });
  }

  test('good ones', async () => {
    for (const servers of [
      ['192.0.2.53'],
      ['[2001:db8::53]:53', 'fe80::1%eth0'],
      ['192.0.2.1:5353'],
    ]) {
      await using _ = await open(servers)();
    }
  });
});
