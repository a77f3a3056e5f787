/** What a request got wrong: where it stands, and what was meant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod/mini';
import { routes } from '../../../src/api/routes.ts';
import { isCaissonError } from '../../../src/core/error.ts';
import { parse } from '../../../src/server/http/parse.ts';
import { served } from '../served.ts';

interface Told {
  readonly message: string;
  readonly hint?: string | undefined;
  readonly problems: readonly { path: string; message: string; suggestion?: string }[];
}

function refusal(schema: z.ZodMiniType | undefined, value: unknown): Told {
  try {
    parse(schema, value, 'the body');
  } catch (error) {
    assert.ok(isCaissonError(error) && error.code === 'REQUEST_INVALID');
    const { message, hint, details } = error;
    return { message, hint, problems: details.problems as Told['problems'] };
  }
  assert.fail('it was taken');
}

const body = z.strictObject({
  argv: z.array(z.string()),
  policy: z.optional(z.union([z.string(), z.record(z.string(), z.unknown())])),
  secrets: z.optional(z.record(z.string(), z.string())),
  kind: z.optional(z.enum(['command', 'program'])),
  claims: z.optional(z.strictObject({ list: z.array(z.strictObject({ name: z.string() })) })),
});

test('an unknown field: its place, and the one that was meant', () => {
  const { message, hint, problems } = refusal(body, { argv: [], polcy: 'strict' });
  assert.equal(message, 'the body: polcy: unknown key (did you mean policy?)');
  assert.equal(hint, 'did you mean policy?');
  assert.deepEqual(problems, [
    { path: 'polcy', message: 'unknown key', suggestion: 'did you mean policy?' },
  ]);
  const deep = refusal(body, { argv: [], claims: { list: [{ name: 'a' }, { nmae: 'b' }] } });
  assert.ok(
    deep.problems.some(
      ({ path, suggestion }) =>
        path === 'claims.list[1].nmae' && suggestion === 'did you mean name?',
    ),
    JSON.stringify(deep.problems),
  );
});

test('a field that is missing because its name is mistyped: the slip is told first', () => {
  const { message, problems } = refusal(body, { agv: ['true'] });
  assert.match(message, /agv: unknown key \(did you mean argv\?\)/);
  assert.ok(problems.some(({ path, message: what }) => path === 'argv' && what === 'missing'));
});

test('a choice: the nearest, and all of them where it is missing', () => {
  assert.equal(refusal(body, { argv: [], kind: 'comand' }).hint, 'did you mean command?');
  const required = z.strictObject({ kind: z.enum(['command', 'program']) });
  assert.equal(refusal(required, {}).message, 'the body: kind: missing (one of command, program)');
});

test('a value of the wrong type is not repeated: it may be a secret', () => {
  const told = refusal(body, { argv: 'hunter2', secrets: { PIN: 271828 }, policy: 314159 });
  assert.deepEqual(
    told.problems.map(({ path, message }) => [path, message.replace('Invalid input: ', '')]),
    [
      ['argv', 'expected array, received string'],
      ['policy', 'expected string or record'],
      ['secrets.PIN', 'expected string, received number'],
    ],
  );
  assert.doesNotMatch(JSON.stringify(told), /hunter2|271828|314159/);
});

test('of a hundred thousand unknown fields the first are told', () => {
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`argw${i}`, 1]));
  const { problems } = refusal(body, { argv: [], ...many });
  assert.equal(problems.length, 20);
});

test('every route that takes a document tells of an unknown field in it', () => {
  let looked = 0;
  for (const { id, body: schema } of Object.values(routes)) {
    if (schema === undefined || 'bytes' in schema) continue;
    const shape = (schema as unknown as { _zod: { def: { shape?: object } } })._zod.def.shape;
    const [known] = Object.keys(shape ?? {}).filter((name) => name.length > 3);
    if (known === undefined) continue;
    looked++;
    const slip = `${known}s`.replace(/ss$/, 'sz');
    const { problems } = refusal(schema as z.ZodMiniType, { [slip]: 1 });
    const found = problems.find(({ path }) => path === slip);
    assert.equal(found?.suggestion, `did you mean ${known}?`, id);
  }
  assert.ok(looked > 20, `${looked}`);
});

test('over HTTP', async () => {
  await using service = await served();
  const key = await service.key('developer');
  const { status, body: problem } = await service.ask('POST', '/api/runs', {
    key,
    body: { argv: ['true'], polcy: 'strict' },
  });
  const { code, hint, details } = problem as { code: string; hint: string; details: Told };
  assert.deepEqual([status, code, hint], [400, 'REQUEST_INVALID', 'did you mean policy?']);
  assert.equal(details.problems[0]?.path, 'polcy');
});
