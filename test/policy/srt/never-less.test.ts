/**
 * Whatever srt denies, the policy denies. srt is told once more here, from its documentation and apart from the translation:
 * lists and the longest match, nothing else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isCaissonError } from '../../../src/core/error.ts';
import { effectiveRead } from '../../../src/policy/compare.ts';
import { compileRules } from '../../../src/policy/decide-connection.ts';
import { policyFromDocument } from '../../../src/policy/parse.ts';
import { containsPath, pathSet } from '../../../src/policy/path-set.ts';
import type { PathSet, Policy } from '../../../src/policy/policy.ts';
import { matchesProtected } from '../../../src/policy/protect.ts';
import { policyFromSrtSettings } from '../../../src/policy/srt/policy-from-srt-settings.ts';

const HOME = '/home/u';
const CWD = '/home/u/p';

interface Files {
  readonly denyRead: readonly string[];
  readonly allowRead: readonly string[];
  readonly allowWrite: readonly string[];
  readonly denyWrite: readonly string[];
}

const within = (path: string, top: string): boolean =>
  path === top || path.startsWith(top === '/' ? '/' : `${top}/`);

/** As srt documents it: `~`, relative to where it runs, no slash at the end. */
function resolved(text: string): string {
  const full = text.startsWith('/')
    ? text
    : text.startsWith('~')
      ? HOME + text.slice(1)
      : `${CWD}/${text}`;
  return new URL(`file://${full}`).pathname.replace(/\/+$/, '') || '/';
}

function longest(paths: readonly string[], path: string): number {
  return Math.max(
    -1,
    ...paths
      .map(resolved)
      .filter((each) => within(path, each))
      .map((each) => each.length),
  );
}

/** What may be written below a denied path is shown there again. */
function srtReads(files: Files, path: string): boolean {
  const denied = longest(files.denyRead, path);
  return (
    denied < 0 ||
    Math.max(longest(files.allowRead, path), longest(files.allowWrite, path) - 0.5) >= denied
  );
}

const ALWAYS = [/^\.bashrc$/, /^\.vscode$/, /^\.git\/(hooks|config)$/, /^\.claude\/agents$/];

function srtWrites(files: Files, path: string): boolean {
  if (longest(files.allowWrite, path) < 0 || longest(files.denyWrite, path) >= 0) return false;
  const denied = longest(files.denyRead, path);
  const allowed = longest(files.allowWrite, path);
  if (denied > allowed || (denied === allowed && longest(files.allowRead, path) < denied))
    return false;
  const below = within(path, CWD) ? path.slice(CWD.length + 1).split('/') : [];
  return !below.some((_, i) => {
    const names = below.slice(0, i + 1);
    return names.some((_, j) => ALWAYS.some((one) => one.test(names.slice(j).join('/'))));
  });
}

/** The set as it holds at absolute paths, when the workspace is where the command runs. */
function bound({ rules }: PathSet): PathSet {
  return pathSet(rules.map((rule) => ({ ...rule, path: rule.path.replace('$workspace', CWD) })));
}

function caissonWrites(policy: Policy, path: string): boolean {
  if (!containsPath(bound(policy.write), path)) return false;
  const below = within(path, CWD) ? path.slice(CWD.length + 1) : '';
  return !policy.protect.some((pattern) => below !== '' && matchesProtected(pattern, below));
}

const name = fc.constantFrom(
  'a',
  'b',
  'c',
  '.bashrc',
  '.git',
  'hooks',
  '.vscode',
  '.claude',
  'agents',
);
const below = (top: fc.Arbitrary<string>) =>
  fc
    .tuple(top, fc.array(name, { maxLength: 3 }))
    .map(([base, names]) => [base, ...names].join('/').replace('//', '/'));
const written = below(
  fc.constantFrom('/', '/srv', '/home', HOME, CWD, '~', '.', '..', './a', '../p'),
);
const asked = below(fc.constantFrom('/srv', '/home', HOME, CWD));
const list = fc.array(
  fc.tuple(written, fc.constantFrom('', '/')).map((parts) => parts.join('')),
  { maxLength: 3 },
);
const lists: fc.Arbitrary<Files> = fc.record({
  denyRead: list,
  allowRead: list,
  allowWrite: list,
  denyWrite: list,
});

function policyOf(settings: unknown): Policy | undefined {
  try {
    const document = policyFromSrtSettings(settings, {
      home: HOME,
      cwd: CWD,
      look: (path) => (/^\/(usr|bin|sbin|lib|opt|nix)/.test(path) ? undefined : path),
    });
    return policyFromDocument(document, { home: HOME });
  } catch (error) {
    if (isCaissonError(error) && error.code === 'POLICY_INVALID') return undefined;
    throw error;
  }
}

test('files: what srt denies is denied, and what it allows to read is read', () => {
  let taken = 0;
  let denials = 0;
  fc.assert(
    fc.property(lists, fc.array(asked, { minLength: 20, maxLength: 20 }), (filesystem, paths) => {
      const policy = policyOf({ filesystem });
      if (policy === undefined) return;
      taken++;
      const read = bound(effectiveRead(policy));
      // What is allowed and denied for writing is shown again by srt, and not here.
      const unwritten = {
        ...filesystem,
        allowWrite: filesystem.allowWrite.filter(
          (each) => longest(filesystem.denyWrite, resolved(each)) < 0,
        ),
      };
      for (const path of paths) {
        const [reads, writes] = [srtReads(filesystem, path), srtWrites(filesystem, path)];
        const told: string = JSON.stringify({ path, filesystem, read: policy.read });
        if (!reads) assert.equal(containsPath(read, path), false, `reads ${told}`);
        else if (srtReads(unwritten, path))
          assert.equal(containsPath(read, path), true, `does not read ${told}`);
        if (!writes) assert.equal(caissonWrites(policy, path), false, `writes ${told}`);
        denials += Number(!reads) + Number(!writes);
      }
    }),
    { numRuns: 3000 },
  );
  assert.ok(taken > 1500, `${taken} of 3000 settings were taken`);
  assert.ok(denials > 10_000, `${denials}`);
});

test('files: what srt lets be written is written, where nothing there is denied to be read', () => {
  let allowed = 0;
  fc.assert(
    fc.property(lists, fc.array(asked, { minLength: 20, maxLength: 20 }), (filesystem, paths) => {
      const files = { ...filesystem, denyRead: [] };
      const policy = policyOf({ filesystem: files });
      if (policy === undefined) return;
      for (const path of paths) {
        if (!srtWrites(files, path) || path.includes('.git') || path.includes('.claude')) continue;
        allowed++;
        assert.ok(
          caissonWrites(policy, path),
          JSON.stringify({ path, files, write: policy.write }),
        );
      }
    }),
    { numRuns: 1500 },
  );
  assert.ok(allowed > 1000, `${allowed}`);
});

const HOSTS = ['b.test', 'a.b.test', 'x.a.b.test', 'c.org', '203.0.113.9', '93.184.216.34'];
const port = fc.constantFrom('', ':443', ':22', ':8080');
const pattern = (more: readonly string[]) =>
  fc
    .tuple(
      fc.constantFrom(
        'b.test',
        '*.b.test',
        'A.b.test',
        '*.a.b.test',
        'c.org',
        '203.0.113.9',
        '93.184.216.34',
        ...more,
      ),
      port,
    )
    .map((parts) => parts.join(''));

function srtMatches(text: string, host: string, at: number): boolean {
  const [name = '', number] = text.toLowerCase().split(':');
  if (number !== undefined && Number(number) !== at) return false;
  return name === '*' || name === host || (name.startsWith('*.') && host.endsWith(name.slice(1)));
}

test('connections: allowed by both or by none', () => {
  fc.assert(
    fc.property(
      fc.array(pattern([]), { minLength: 1, maxLength: 4 }),
      fc.array(pattern(['*', 'localhost']), { maxLength: 3 }),
      (allowedDomains, deniedDomains) => {
        const policy = policyOf({ network: { allowedDomains, deniedDomains } });
        assert.ok(policy);
        const rules = compileRules(policy.network);
        for (const host of HOSTS) {
          for (const at of [22, 80, 443, 8080]) {
            const isAddress = /^[\d.]+$/.test(host);
            const expected =
              allowedDomains.some((one) => srtMatches(one, host, at)) &&
              !deniedDomains.some((one) => srtMatches(one, host, at));
            for (const speaks of ['tls', 'other'] as const) {
              const facts = {
                port: at,
                protocol: 'tcp' as const,
                name: isAddress ? undefined : host,
                address: isAddress ? host : '198.41.0.4',
                speaks,
              };
              const decided = rules.decideConnection(facts);
              assert.equal(
                decided.allowed,
                expected,
                JSON.stringify({ host, at, allowedDomains, deniedDomains, decided }),
              );
              assert.equal(rules.decideConnection({ ...facts, protocol: 'udp' }).allowed, false);
            }
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});
