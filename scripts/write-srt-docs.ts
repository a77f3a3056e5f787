/** Writes the table of docs/srt-settings.md anew: every field of srt's settings, and what becomes of it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { srtSettingsSchema } from '../src/policy/srt/srt-schema.ts';

const PAGE = join(import.meta.dirname, '../docs/srt-settings.md');
const [BEGIN, END] = ['<!-- fields -->\n', '<!-- /fields -->'];

export function withFields(page: string): string {
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END);
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for the table`);
  const rows = rowsOf(srtSettingsSchema, '').map(([name, what]) => `| \`${name}\` | ${what} |\n`);
  const table = `\n| field | what becomes of it |\n| --- | --- |\n${rows.join('')}\n`;
  return page.slice(0, from + BEGIN.length) + table + page.slice(to);
}

function rowsOf(schema: z.ZodType, name: string): [name: string, what: string][] {
  const inner = bare(schema);
  if (inner instanceof z.ZodArray && bare(inner.element as z.ZodType) instanceof z.ZodObject) {
    return [[name, schema.description ?? ''], ...rowsOf(inner.element as z.ZodType, `${name}[]`)];
  }
  if (!(inner instanceof z.ZodObject))
    return [[name, (schema.description ?? '').replaceAll('|', '\\|')]];
  const shape: Readonly<Record<string, z.ZodType>> = inner.shape;
  const own = Object.entries(shape).flatMap(([key, field]) =>
    rowsOf(field, name === '' ? key : `${name}.${key}`),
  );
  return name === '' || schema.description === undefined
    ? own
    : [[name, schema.description], ...own];
}

function bare(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodExactOptional ? bare(schema.unwrap() as z.ZodType) : schema;
}

if (import.meta.main) writeFileSync(PAGE, withFields(readFileSync(PAGE, 'utf8')));
