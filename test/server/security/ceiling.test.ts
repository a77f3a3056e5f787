/** The most that a policy of a request may allow, and every way to ask for more. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { subsumes } from '../../../src/policy/compare.ts';
import { policyFromDocument } from '../../../src/policy/parse.ts';
import { SPECIAL_BLOCKS } from '../../../src/policy/special-address.ts';
import { Ceiling } from '../../../src/server/security/ceiling.ts';
import { Ceilings, ceilingPolicy } from '../../../src/server/security/ceilings.ts';
import type { WrittenPolicy } from '../../../src/server/security/written-policies.ts';

const directory = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-ceiling-')));
after(() => rmSync(directory, { recursive: true }));

const service = new Ceilings({ settings: () => ({}) }).of('acme');
const admits = (written: WrittenPolicy, ceiling: Ceiling = service) => ceiling.admit(written);

function beyond(written: WrittenPolicy, witness: RegExp, ceiling: Ceiling = service): void {
  assert.throws(
    () => ceiling.admit(written),
    (error: { code: string; message: string; details: { witness: string; clause: string } }) => {
      assert.equal(error.code, 'POLICY_BEYOND_CEILING', error.message);
      assert.match(error.details.witness, witness);
      assert.match(error.message, /^the policy may .*, the tenant acme may not$/);
      assert.ok(error.details.clause.length > 0);
      return true;
    },
    JSON.stringify(written),
  );
}

function invalid(written: WrittenPolicy, ceiling: Ceiling = service): void {
  assert.throws(
    () => ceiling.admit(written),
    { code: /POLICY_INVALID|POLICY_TOO_LARGE/ as never },
    JSON.stringify(written).slice(0, 200),
  );
}

describe('the ceiling of a service', () => {
  test('has room for the levels and profiles that isolate', () => {
    for (const name of [
      'moderate',
      'strict',
      'paranoid',
      'agent',
      'python',
      'node',
      'build',
      'readonly',
    ]) {
      assert.ok(Object.isFrozen(admits(name)), name);
    }
    assert.equal(admits({}).level, 'strict');
  });

  test('has none for levels that do not, however they are written', () => {
    beyond('none', /without isolation/);
    beyond('basic', /level basic/);
    beyond({ level: 'basic', walls: ['process'] }, /level basic/);
    beyond({ level: 'none', walls: ['process'] }, /without isolation/);
    beyond({ extends: 'agent', level: 'basic' }, /level basic/);
    beyond({ extends: ['strict', 'agent'].slice(1), level: 'none' }, /without isolation/);
    invalid({ walls: ['none'] });
    invalid({ level: 'moderate', walls: ['child'] });
    invalid('None');
    invalid('constructor');
    invalid('__proto__');
  });

  test('lets no path of the host in but system directories', () => {
    beyond({ filesystem: { read: ['/etc/shadow'] } }, /read \/etc\/shadow/);
    beyond({ filesystem: { read: ['/'] } }, /read \//);
    beyond({ filesystem: { read: ['/', '!/etc', '!/root', '!/home', '!/var'] } }, /read \//);
    beyond({ filesystem: { read: ['/usrx'] } }, /usrx/);
    beyond({ filesystem: { read: ['/proc'] } }, /proc/);
    beyond({ filesystem: { write: ['/usr/local'] } }, /write \/usr\/local/);
    beyond({ filesystem: { write: ['/tmp'] } }, /write \/tmp/);
    beyond({ filesystem: { scratch: ['/etc'] } }, /scratch space at \/etc/);
    beyond({ filesystem: { scratch: ['/usr'] } }, /scratch space at \/usr/);
    beyond({ filesystem: { sys: true } }, /sys/);
    beyond({ devices: ['/dev/kvm'] }, /kvm/);
    invalid({ filesystem: { read: ['~'] } });
    invalid({ filesystem: { read: ['~root/x'] } });
    invalid({ filesystem: { read: ['../x'] } });
    invalid({ filesystem: { read: ['/usr/../etc'] } });
    invalid({ filesystem: { read: ['/usr//../etc'] } });
    invalid({ filesystem: { read: ['$HOME'] } });
    invalid({ filesystem: { read: ['/usr\0/etc'] } });
    invalid({ extends: '/etc/caisson/policy.yaml' });
    invalid({ extends: ['./x.yaml'] });
    admits({ filesystem: { read: ['.', '/usr/share', '!/usr/share/doc'], write: ['out'] } });
  });

  test('follows a named path to where it leads on this host', () => {
    mkdirSync(join(directory, 'usr/share'), { recursive: true });
    mkdirSync(join(directory, 'secret'));
    symlinkSync(join(directory, 'secret'), join(directory, 'usr/share/data'));
    symlinkSync(join(directory, 'usr/share'), join(directory, 'usr/same'));
    const policy = policyFromDocument({
      level: 'paranoid',
      filesystem: { read: [join(directory, 'usr')] },
    });
    const ceiling = new Ceiling({ who: 'the tenant acme', policy });
    const read = (path: string) => ({
      level: 'paranoid',
      filesystem: { read: [join(directory, path)] },
    });
    beyond(read('usr/share/data'), /which leads to .*secret/, ceiling);
    beyond(read('secret'), /read .*secret/, ceiling);
    admits(read('usr/same'), ceiling);
    admits(read('usr/share'), ceiling);
    admits(read('usr/nothing'), ceiling);
    // It is looked at each time: links are made.
    const later = read('usr/later');
    mkdirSync(join(directory, 'usr/later'));
    admits(later, ceiling);
    rmSync(join(directory, 'usr/later'), { recursive: true });
    symlinkSync(join(directory, 'secret'), join(directory, 'usr/later'));
    beyond(later, /leads to/, ceiling);
  });

  test('opens the public network, and nothing of the host’s own', () => {
    admits({
      network: {
        allow: ['pypi.org', '*.example.org:*', '*:443', '1.1.1.1:53/udp', '[2606:4700::1111]:443'],
      },
    });
    beyond({ network: { mode: 'full' } }, /unfiltered/);
    beyond({ network: { mode: 'full', deny: ['0.0.0.0/0:*'] } }, /unfiltered/);
    for (const [block] of SPECIAL_BLOCKS) {
      const [address = '', length] = block.split('/');
      const host = address.includes(':') ? `[${address}]/${length}` : block;
      beyond({ network: { allow: [`${host}:80`] } }, /connect to/);
      beyond({ network: { allow: [`${host}:80/udp`] } }, /connect to/);
    }
    for (const host of [
      '169.254.169.254:80',
      '127.0.0.1:8640',
      '[::1]:8640',
      '[::ffff:127.0.0.1]:80',
      '10.1.2.3:443',
      '[fd00:ec2::254]:80',
      '0.0.0.0:80',
      '[64:ff9b::a00:1]:80',
      '[2002:7f00:1::]:80',
    ]) {
      beyond({ network: { allow: [host] } }, /connect to/);
    }
    beyond({ network: { allow: ['0.0.0.0/0:443'] } }, /connect to/);
    beyond({ network: { allow: ['8.0.0.0/5:443'] } }, /connect to/);
    beyond(
      { network: { allow: ['0.0.0.0/0:443'], deny: ['10.0.0.0/8:443', '127.0.0.0/8:443'] } },
      /connect to/,
    );
    beyond({ network: { allow: ['1.1.1.1/icmp'] } }, /packets/);
    beyond({ network: { allow: ['1.1.1.0/24/raw'] } }, /packets/);
    beyond(
      {
        network: {
          allow: [...Array.from({ length: 60 }, (_, i) => `h${i}.example.org`), '10.0.0.1:1'],
        },
      },
      /10\.0\.0\.1:1/,
    );
    for (const host of [
      'unix:/run/docker.sock',
      'unix:///run/docker.sock',
      'http://127.0.0.1',
      '0x7f.1:80',
      '2130706433:80',
      '127.1:80',
      'localhost%00.example.org',
      '/run/x.sock',
    ]) {
      invalid({ network: { allow: [host] } });
    }
  });

  test('opens networks between a tenant’s own sandboxes, with any ports', () => {
    const policy = admits({ network: { mode: 'internal', group: 'x', listen: [1, 8080, 65535] } });
    assert.equal(policy.network.group, 'x');
    beyond({ network: { mode: 'internal', group: 'x' }, devices: ['/dev/fuse'] }, /fuse/);
    beyond({ network: { mode: 'internal', group: 'x' }, limits: { memory: '1TiB' } }, /memory/);
  });

  test('takes secrets that come with the request, for hosts that it may reach', () => {
    const network = { intercept: true, secrets: { TOKEN: ['api.example.org'] } };
    admits({ network: { ...network, allow: ['api.example.org'] } });
    beyond({ network: { ...network, allow: ['api.example.org', '10.0.0.1:443'] } }, /10\.0\.0\.1/);
  });

  test('bounds every limit, and fills in what a level leaves open', () => {
    for (const [limits, witness] of [
      [{ memory: '9GiB' }, /memory/],
      [{ timeout: '25h' }, /run for/],
      [{ cpu: 5 }, /cores/],
      [{ cpuWeight: 101 }, /share/],
      [{ processes: 5000 }, /processes/],
      [{ output: '1GiB' }, /print/],
      [{ scratch: '5GiB' }, /scratch/],
      [{ core: '1MiB' }, /core dumps/],
      [{ stack: '1GiB' }, /stacks/],
    ] as const) {
      beyond({ level: 'moderate', limits }, witness);
    }
    for (const key of ['timeout', 'memory', 'openFiles', 'fileSize', 'scratch', 'stack']) {
      beyond({ level: 'moderate', limits: { [key]: null } }, /any amount/);
    }
    assert.equal(admits('moderate').limits.cpuMillicores, 4000);
    assert.equal(admits({ limits: { cpu: 2 } }).limits.cpuMillicores, 2000);
  });

  test('hands on nothing of the service’s environment, no system call, no capability', () => {
    beyond({ environment: { pass: ['*'] } }, /environment as a whole/);
    beyond({ environment: { pass: ['AWS_SECRET_ACCESS_KEY'] } }, /AWS_SECRET/);
    beyond({ environment: { pass: ['C*'] } }, /environment/);
    beyond({ syscalls: { preset: 'all' } }, /system calls/);
    beyond({ syscalls: { allow: ['bpf'] } }, /call bpf/);
    beyond({ capabilities: { base: 'all' } }, /hold CAP/);
    beyond({ capabilities: { add: ['net_raw'] } }, /CAP_NET_RAW/);
    beyond({ admission: { scan: 'off' } }, /not been scanned/);
  });

  test('takes a document for what it is, also where it looks like a normalised policy', () => {
    const normalised = { ...policyFromDocument({ level: 'none' }) } as unknown as WrittenPolicy;
    invalid(normalised);
    invalid({ view: 'host', level: 'strict' });
    invalid({ limits: { memoryBytes: 1 } });
  });

  test('takes no list so long that others would wait for it', () => {
    const names = Array.from({ length: 129 }, (_, i) => `h${i}.example.org`);
    invalid({ network: { allow: names } });
    invalid({ filesystem: { read: names } });
    invalid({ environment: { set: Object.fromEntries(names.map((name, i) => [`A${i}`, name])) } });
    invalid({ environment: { set: { A: 'x'.repeat(300_000) } } });
    let nested: Record<string, unknown> = {};
    for (let i = 0; i < 10_000; i++) nested = { extends: nested };
    assert.throws(() => service.admit(nested), { code: 'POLICY_TOO_LARGE' });
    admits({ network: { allow: names.slice(0, 128) } });
  });

  test('is looked through by what several bases add together', () => {
    beyond({ extends: ['agent', 'build'], network: { allow: ['10.0.0.1:443'] } }, /10\.0\.0\.1/);
    beyond({ extends: ['agent', 'build'], filesystem: { read: ['/var/lib'] } }, /var\/lib/);
    admits({ extends: ['agent', 'build'] });
  });

  test('lets go on without a protection only where the operator has listed it', () => {
    const ceiling = new Ceilings({ settings: () => ({}), accept: ['limits.memory'] }).of('acme');
    ceiling.admit('strict', { accept: ['limits.memory'] });
    for (const accept of [
      ['seccomp'],
      ['limits.memory', 'seccomp'],
      ['*'],
      [''],
      ['LIMITS.MEMORY'],
    ]) {
      assert.throws(() => ceiling.admit('strict', { accept }), {
        code: 'POLICY_BEYOND_CEILING',
        message: /go on without/,
      });
    }
  });
});

describe('a ceiling of the operator’s', () => {
  const of = (document: object) =>
    new Ceilings({ settings: () => ({}), ceiling: document as never }).of('acme');

  test('that denies a block of the public denies names that might lead there', () => {
    const ceiling = of({
      level: 'moderate',
      filesystem: { read: ['.'], write: ['.'] },
      network: { allow: ['*:443'], deny: ['203.0.112.0/20:*'] },
    });
    beyond({ network: { allow: ['evil.example'] } }, /through the name/, ceiling);
    admits({ network: { allow: ['good.example'], deny: ['203.0.112.0/20:*'] } }, ceiling);
    beyond(
      { network: { allow: ['good.example:80'], deny: ['203.0.112.0/20:*'] } },
      /good\.example:80/,
      ceiling,
    );
  });

  test('that allows some requests alone allows no others', () => {
    const ceiling = of({
      level: 'moderate',
      network: { intercept: true, allow: [{ host: 'api.example.org', http: ['GET /v1/**'] }] },
    });
    const ask = (...http: string[]) => ({
      network: { intercept: true, allow: [{ host: 'api.example.org', http }] },
    });
    admits(ask('GET /v1/x'), ceiling);
    beyond(ask('POST /v1/x'), /POST/, ceiling);
    beyond({ network: { allow: ['api.example.org'] } }, /api\.example\.org/, ceiling);
  });

  test('with carve-outs keeps them carved out', () => {
    const ceiling = of({
      level: 'moderate',
      filesystem: { read: ['.', '/usr', '!/usr/local', '/srv/data', '!/srv/data/private'] },
      limits: { cpu: 1 },
    });
    beyond('moderate', /usr\/local|write/, ceiling);
    beyond(
      { level: 'moderate', filesystem: { read: ['/srv/data'], write: [] } },
      /private|usr\/local/,
      ceiling,
    );
    admits(
      { level: 'paranoid', walls: ['microvm'], filesystem: { read: ['/srv/data/public'] } },
      of({
        level: 'moderate',
        walls: ['microvm', 'process'],
        filesystem: { read: ['/srv/data', '!/srv/data/private'] },
      }),
    );
  });

  test('is never so high that nothing isolates', () => {
    const ceiling = of({ level: 'none' });
    beyond('none', /without isolation/, ceiling);
    admits('strict', ceiling);
  });

  test('that is none is told at the start', () => {
    writeFileSync(join(directory, 'c.yaml'), 'level: moderate\nnetwork: {allow: [pypi.org]}\n');
    assert.equal(ceilingPolicy(join(directory, 'c.yaml')).network.mode, 'filtered');
    for (const wrong of ['nothing', join(directory, 'none.yaml'), { level: 'x' }, './c.yaml']) {
      assert.throws(() => ceilingPolicy(wrong as never), { code: 'CONFIG_INVALID' });
    }
  });

  test('changes with the settings of its tenant', () => {
    let ceiling: string | undefined;
    const ceilings = new Ceilings({ settings: () => (ceiling === undefined ? {} : { ceiling }) });
    const asked = { network: { allow: ['pypi.org'] } };
    ceilings.of('acme').admit(asked);
    ceiling = 'moderate';
    assert.throws(() => ceilings.of('acme').admit(asked), { code: 'POLICY_BEYOND_CEILING' });
  });
});

test('whatever is admitted is within, by the order on policies itself', () => {
  const most = service.policy;
  const host = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom('pypi.org', '*', '*.a.org', '8.8.8.8', '1.0.0.0/8') },
    { weight: 1, arbitrary: fc.constantFrom('10.0.0.0/8', '::1', '0.0.0.0/0', '192.0.0.0/7') },
  );
  const port = fc.constantFrom('', ':*', ':80', ':1-1023');
  const rule = fc
    .tuple(host, port, fc.constantFrom('', '/udp'))
    .map(([h, p, u]) => `${h.includes(':') ? `[${h}]` : h}${p}${u}`);
  const document = fc.record(
    {
      level: fc.constantFrom('moderate', 'strict', 'moderate', 'strict', 'basic'),
      network: fc.record(
        {
          allow: fc.array(rule, { minLength: 1, maxLength: 6 }),
          deny: fc.array(rule, { maxLength: 4 }),
        },
        { requiredKeys: ['allow'] },
      ),
      filesystem: fc.record({
        read: fc.array(
          fc.constantFrom('.', 'a', '/usr', '/usr/lib', '.', 'b', '!/usr/lib', '/etc', '/opt/x'),
          { maxLength: 4 },
        ),
      }),
      limits: fc.record(
        {
          memory: fc.constantFrom('1GiB', '2GiB', '4GiB', '64GiB', null),
          cpu: fc.constantFrom(1, 2, 4, 64),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  );
  let admitted = 0;
  fc.assert(
    fc.property(document, (written) => {
      let policy: ReturnType<Ceiling['admit']>;
      try {
        policy = service.admit(written);
      } catch (error) {
        assert.match((error as { code: string }).code, /^POLICY_(INVALID|BEYOND_CEILING)$/);
        return;
      }
      admitted++;
      const { limits } = policy;
      const usual = { ...policy, limits: { ...limits, cpuWeight: limits.cpuWeight ?? 100 } };
      assert.deepEqual(subsumes(most, usual), { ok: true });
    }),
    { numRuns: 300 },
  );
  assert.ok(admitted > 20, `${admitted} of 300`);
});
