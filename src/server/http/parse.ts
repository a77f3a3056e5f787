/** What came, as the contract has it. */
import * as z from 'zod/mini';
import { CaissonError } from '../../core/error.ts';

/** @throws REQUEST_INVALID that names every field */
export function parse(schema: z.ZodMiniType | undefined, value: unknown, what: string): unknown {
  if (schema === undefined) {
    if (value === undefined || Object.keys(value as object).length === 0) return {};
    schema = z.strictObject({});
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => ({
    path: path.join('.'),
    message,
  }));
  const [first] = problems;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: `${what}: ${first?.path === '' ? '' : `${first?.path}: `}${first?.message}`,
    hint: 'the service describes every request at /openapi.json',
    details: { problems },
  });
}

/** A message that must be a document. @throws REQUEST_INVALID that names every field */
export function parseJson<S extends z.ZodMiniType>(
  schema: S,
  text: string,
  what: string,
): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text, (name, each) => {
      if (name === '__proto__') throw new SyntaxError('__proto__ is no name of a field');
      return each;
    });
  } catch (cause) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'server',
      message: `${what} is not JSON`,
      cause,
    });
  }
  return parse(schema, value, what) as z.output<S>;
}
