/**
 * Writes docs/exit-codes.md and the reference in docs/cli.md from the tables of src/cli.
 *
 *   node scripts/write-cli-docs.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { exitCodesPage, withReference } from '../src/cli/documentation.ts';

const docs = join(resolve(import.meta.dirname, '..'), 'docs');
const cli = join(docs, 'cli.md');
writeFileSync(join(docs, 'exit-codes.md'), exitCodesPage());
writeFileSync(cli, withReference(readFileSync(cli, 'utf8')));
