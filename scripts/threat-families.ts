/** Writes the table of families into docs/threat/families.md: `node scripts/threat-families.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { familiesTable } from '../src/admission/threat/families-document.ts';

const DOCUMENT = new URL('../docs/threat/families.md', import.meta.url);
const text = readFileSync(DOCUMENT, 'utf8');
const [begin, end] = ['<!-- families -->', '<!-- /families -->'];
const [before = '', rest = ''] = text.split(begin);
const after = rest.split(end)[1] ?? '';
writeFileSync(DOCUMENT, `${before}${begin}\n${familiesTable()}\n${end}${after}`);
