/** Values for the schemas of the OpenAPI document: such as they ask for, and, by a field's name, such as mean something. */
import type { SeededRandom } from '../../test/seeded-random.ts';

export interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

/** Names of things that are there, by what they are. */
export interface Things {
  readonly sandbox: string[];
  readonly snapshot: string[];
  readonly shell: string[];
  readonly module: string[];
  readonly policy: string[];
  readonly key: string[];
  readonly tenant: string[];
  readonly port: string[];
}

const PATHS = [
  '.',
  'a',
  'b/c',
  'dir',
  '/tmp/x',
  '/etc/passwd',
  '/proc/self/environ',
  '/proc/1/mem',
  '/dev/zero',
  '/dev/null',
  '../../../etc/shadow',
  '/',
  '',
  'a/../../b',
  './/.//a',
  'dir/./x',
  '/proc/self/root/etc',
  '\u0000',
  'a\nb',
  '/sys/kernel',
  'ä/ö',
  `${'d/'.repeat(200)}x`,
  'x'.repeat(256),
];
const POLICIES: readonly unknown[] = [
  'strict',
  'moderate',
  'paranoid',
  'permissive',
  'none',
  'nobody',
  'mine',
  'mine@1',
  'mine@99',
  '@',
  '/etc/passwd',
  { version: 1, level: 'strict' },
  { version: 1, level: 'moderate', filesystem: { write: ['.'], workspace: 'overlay' } },
  { version: 1, level: 'moderate', network: { mode: 'filtered', allow: ['example.invalid:443'] } },
  { version: 1, level: 'strict', limits: { memory: '64MiB', timeout: '2s', output: '4KiB' } },
  { version: 1, level: 'strict', limits: { memory: -1 } },
  { version: 1, level: 'strict', filesystem: { read: ['/etc'] } },
  { version: 1, level: 'strict', wall: 'none', allowUnisolated: true },
  { version: 2 },
  { level: 'strict' },
  {},
];
const COMMANDS = [
  ['true'],
  ['false'],
  ['echo', 'hello'],
  ['sh', '-c', 'cat'],
  ['sh', '-c', 'echo a > a; mkdir -p dir; ln -s /etc/passwd l; exit 3'],
  ['sh', '-c', 'head -c 300000 /dev/urandom'],
  ['sh', '-c', 'kill -9 $$'],
  ['sleep', '0.2'],
  ['no-such-program'],
  ['/etc/passwd'],
  [''],
  ['.'],
  ['sh', '-c', 'printf "\\377\\000\\n"'],
  ['id'],
];
const SOURCES = [
  'export default (a) => a',
  'export default () => ({ deep: [1, [2, [3]]] })',
  'export default () => { throw new Error("x\\u0000") }',
  'export default () => { for (;;) {} }',
  'export default (',
  '',
  'export const a = 1',
  'export default async () => 1n',
  "import { exec } from 'node:child_process'; export default () => exec('id')",
  'print(1)',
  'echo a',
  'AGFzbQEAAAA=',
  'AGFzbQ==',
];

/** By the name of the field: most values that fit the schema alone lead nowhere. */
const BY_NAME: Readonly<Record<string, (random: SeededRandom, things: Things) => unknown>> = {
  argv: (random) => random.pick(COMMANDS),
  cwd: (random) => random.pick(PATHS),
  path: (random) => random.pick(PATHS),
  from: (random) => random.pick(PATHS),
  to: (random) => random.pick(PATHS),
  target: (random) => random.pick(PATHS),
  mode: (random) => random.pick(['644', '0755', '4755', '000', '7777', '9']),
  policy: (random) => random.pick(POLICIES),
  first: (random) => random.pick(POLICIES),
  second: (random) => random.pick(POLICIES),
  network: (random) =>
    random.pick([
      { mode: 'none' },
      { mode: 'filtered', allow: [] },
      {},
      { mode: 'host' },
      { allow: ['a:1'] },
    ]),
  workspace: (random) => random.pick(['private', 'private', 'shared', '/etc', '..']),
  code: (random) => random.pick(SOURCES),
  source: (random) => random.pick(SOURCES),
  command: (random) => random.pick(['echo a', 'cd /; pwd', 'exit 2', 'cat', ': "', 'sleep 0.1']),
  timeoutMs: (random) => random.pick([1, 50, 500, 1000]),
  ttlMs: (random) => random.pick([1, 100, 3000, 10_000]),
  queueTimeoutMs: (random) => random.pick([1, 100, 2000]),
  idleTimeoutMs: (random) => random.pick([1, 1000, 10_000]),
  cpuMs: (random) => random.pick([1, 100, 500]),
  memoryBytes: (random) => random.pick([1, 2 ** 20, 2 ** 26, 2 ** 27]),
  args: (random) => random.pick([[], [1], [{ a: [null] }], ['x'], [1, 2, 3], 'no list', [[[]]]]),
  language: (random) =>
    random.pick(['javascript', 'typescript', 'wasm', 'python', 'shell', 'javascript']),
  reference: (random, things) =>
    random.pick(['mine', 'mine@1.0.0', 'nobody@9.9.9', ...things.module]),
  shell: (random, things) => random.pick(['none', ...things.shell]),
  port: (random, things) => random.pick(['8080', '1', '65535', ...things.port]),
  guestPort: (random) => random.pick([8080, 1, 65_535]),
  tenant: (random) => random.pick(['acme', 'globex', 'initech', 'scratch']),
  settings: (random) =>
    random.pick([
      {},
      { quotas: { kept: 1 } },
      { rateLimits: { requests: { perSecond: 1, burst: 1 } } },
      { x: 1 },
    ]),
  inputBase64: (random) => random.pick(['AAECAw==', '', '!', 'A', '=']),
  label: (random) => random.pick(['a=b', 'a=', '=', 'a']),
  version: (random) => random.pick(['1.0.0', '1.0.1', '2.0.0-beta', '1']),
  reason: (random) => random.pick(['left', '', '\u0000', 'x'.repeat(1000)]),
  key: (random) =>
    random.pick(['-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----', '', 'AAAA']),
};

export function valueFor(
  schema: Schema,
  name: string,
  random: SeededRandom,
  things: Things,
): unknown {
  const known = BY_NAME[name];
  if (known !== undefined && random.chance(0.85)) return known(random, things);
  if ('const' in schema) return schema.const;
  if (schema.enum !== undefined) return random.pick(schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return valueFor(random.pick(choices), '', random, things);
  switch (schema.type) {
    case 'object':
      return objectOf(schema, random, things);
    case 'array': {
      const { items = {}, minItems = 0, maxItems = 4 } = schema;
      const count = minItems + random.below(Math.max(1, Math.min(4, maxItems - minItems)));
      return Array.from({ length: count }, () => valueFor(items, '', random, things));
    }
    case 'integer':
    case 'number':
      return numberOf(schema, random);
    case 'boolean':
      return random.chance(0.5);
    case 'string':
      return textOf(schema, random);
    default:
      return random.pick([1, 'x', null, [1], { a: 1 }, true]);
  }
}

function objectOf(schema: Schema, random: SeededRandom, things: Things): Record<string, unknown> {
  const { properties = {}, required = [], additionalProperties } = schema;
  const made: Record<string, unknown> = {};
  for (const [name, each] of Object.entries(properties)) {
    // What there are many of is left out mostly: each may be wrong, and the first that is hides the others.
    if (required.includes(name) || random.chance(0.12))
      made[name] = valueFor(each, name, random, things);
  }
  if (typeof additionalProperties === 'object') {
    for (let i = random.below(3); i > 0; i--) {
      made[random.pick(['a', 'B', 'PATH', 'x-y', 'é'])] = valueFor(
        additionalProperties,
        '',
        random,
        things,
      );
    }
  }
  return made;
}

function numberOf({ minimum, exclusiveMinimum, maximum }: Schema, random: SeededRandom): number {
  const least = Math.max(minimum ?? Number.NEGATIVE_INFINITY, (exclusiveMinimum ?? -2) + 1, -100);
  const most = Math.min(maximum ?? 100_000, Number.MAX_SAFE_INTEGER);
  return random.pick([least, most, Math.min(most, least + random.below(100))]);
}

const TEXTS = [
  'a',
  'mine',
  'hello world',
  '1.0.0',
  'acme',
  'true',
  '644',
  'a=b',
  'SIGTERM',
  'ünïcödé',
  '日本',
  ' ',
];

function textOf(
  { pattern, minLength = 0, maxLength = 1000 }: Schema,
  random: SeededRandom,
): string {
  const fits = TEXTS.filter((text) => {
    if (text.length < minLength || text.length > maxLength) return false;
    return pattern === undefined || new RegExp(pattern, 'u').test(text);
  });
  if (fits.length > 0) return random.pick(fits);
  return 'a'.repeat(Math.max(1, minLength));
}
