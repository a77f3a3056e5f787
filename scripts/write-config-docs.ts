/** Writes docs/config.schema.json, and the table of keys in docs/deployment.md, from the schema of the configuration. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../src/server/config/config.ts';
import { configKeys } from '../src/server/config/config-keys.ts';
import { configSchema } from '../src/server/config/config-schema.ts';

const docs = join(import.meta.dirname, '../docs');
const [BEGIN, END] = ['<!-- keys -->\n', '<!-- /keys -->'];

/** JSON Schema (draft 2020-12), for editors. */
export function configJsonSchema(): string {
  const schema = z.toJSONSchema(configSchema, { io: 'input', reused: 'inline' });
  return `${JSON.stringify(schema, undefined, 1)}\n`;
}

export function withKeys(page: string): string {
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END);
  if (from < 0 || to < from) throw new Error('docs/deployment.md has no place for the keys');
  const defaults = parseConfig({});
  const rows = configKeys.map(({ name, variable, path, description }) => {
    const value = path.reduce<unknown>(
      (at, step) => (at as Record<string, unknown>)?.[step],
      defaults,
    );
    const shown = value === undefined ? '' : `\`${JSON.stringify(value)}\``;
    return `| \`${name}\` | \`${variable.slice('CAISSON_'.length)}\` | ${shown} | ${description.replaceAll('|', '\\|')} |\n`;
  });
  const head =
    '\n| key | variable: `CAISSON_` and | default | what it says |\n| --- | --- | --- | --- |\n';
  return `${page.slice(0, from + BEGIN.length)}${head}${rows.join('')}\n${page.slice(to)}`;
}

if (import.meta.main) {
  const page = join(docs, 'deployment.md');
  writeFileSync(page, withKeys(readFileSync(page, 'utf8')));
  writeFileSync(join(docs, 'config.schema.json'), configJsonSchema());
}
