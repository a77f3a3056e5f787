/**
 * Every key of the configuration with the environment variable that says it: `listen.port` is `CAISSON_LISTEN_PORT`.
 */
import { z } from 'zod';
import { configSchema } from './config-schema.ts';

export interface ConfigKey {
  readonly path: readonly string[];
  /** `listen.port`. */
  readonly name: string;
  readonly variable: string;
  readonly description: string;
  /** Lists and maps, which a variable holds as JSON or YAML. */
  readonly isStructured: boolean;
  readonly schema: z.ZodType;
}

export const configKeys: readonly ConfigKey[] = keysOf(configSchema, []);

/** By name; `listen` alone is none. */
export function configKey(name: string): ConfigKey | undefined {
  return configKeys.find((key) => key.name === name);
}

/** The keys of a section are said one by one; what an operator names himself (`tenants`) is said as a whole. */
function keysOf(schema: z.ZodType, path: readonly string[]): ConfigKey[] {
  const { inner, description } = bare(schema);
  if (inner instanceof z.ZodObject) {
    const shape: Readonly<Record<string, z.ZodType>> = inner.shape;
    return Object.entries(shape).flatMap(([key, field]) => keysOf(field, [...path, key]));
  }
  return [
    {
      path,
      name: path.join('.'),
      variable: `CAISSON_${path.map(upperSnake).join('_')}`,
      description: description ?? '',
      isStructured: takesStructure(inner),
      schema,
    },
  ];
}

function takesStructure(schema: unknown): boolean {
  const inner = schema as z.ZodType;
  if (inner instanceof z.ZodUnion) return inner.options.some((each) => takesStructure(each));
  return (
    inner instanceof z.ZodObject || inner instanceof z.ZodArray || inner instanceof z.ZodRecord
  );
}

/** Without defaults and the like, with the description that stands furthest out. */
function bare(schema: z.ZodType): { inner: z.ZodType; description: string | undefined } {
  let inner = schema;
  let { description } = schema;
  while (
    'unwrap' in inner &&
    typeof inner.unwrap === 'function' &&
    !(inner instanceof z.ZodArray)
  ) {
    inner = inner.unwrap() as z.ZodType;
    description ??= inner.description;
  }
  return { inner, description };
}

function upperSnake(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}
