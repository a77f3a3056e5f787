/**
 * From corpora to model and figures: `node scripts/threat/main.ts --corpora DIR`. See docs/threat/data-sheet.md.
 *
 *   --cache DIR     what is kept between runs, outside of the repository; default DIR/.cache
 *   --list PART     names the samples of a part (train, validation) and ends
 *   --show DIGEST   prints a sample, control characters escaped, and ends
 *   --dry           writes nothing into the repository
 *   --stale         takes rows of older rules, for work on the trainer
 *   --shard 0/2     only analyses every second sample, beside another process that does the rest
 *   --measure       looks at the held-out part, too, and writes docs/threat/evaluation.md
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { collect, openContents } from './collect.ts';

const { values } = parseArgs({
  options: {
    corpora: { type: 'string' },
    cache: { type: 'string' },
    list: { type: 'string' },
    show: { type: 'string' },
    dry: { type: 'boolean', default: false },
    stale: { type: 'boolean', default: false },
    shard: { type: 'string' },
    measure: { type: 'boolean', default: false },
  },
});
if (values.corpora === undefined) throw new Error('--corpora DIR: where the corpora are');
const cache = values.cache ?? join(values.corpora, '.cache');
mkdirSync(cache, { recursive: true });
const began = Date.now();
const tell = (text: string): void => {
  process.stderr.write(`${((Date.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}\n`);
};

const samples = await collect(values.corpora, cache, tell);
if (values.list !== undefined) {
  for (const { digest, source, language, malicious, package: name, path, part } of samples) {
    if (part !== values.list) continue;
    console.log([digest, source, language, malicious, name, path].join('\t'));
  }
} else if (values.show !== undefined) {
  const sample = samples.find(
    (s) => s.offset !== undefined && s.digest.startsWith(values.show as string),
  );
  if (sample === undefined) throw new Error('no sample with that digest is kept');
  const text = openContents(cache)(sample).toString('utf8');
  // A terminal would act on control characters.
  console.log(
    text.replace(/\p{Cc}/gu, (c) =>
      c === '\n' || c === '\t' ? c : `\\x${c.charCodeAt(0).toString(16)}`,
    ),
  );
} else {
  const { train } = await import('./train.ts');
  await train(samples, cache, {
    write: !values.dry,
    measure: values.measure,
    stale: values.stale,
    ...(values.shard !== undefined && { shard: values.shard }),
    tell,
  });
}
