/** `npm run fuzz -- [--seconds N] [--seed S]`: requests to the service. The launcher's parsers: README.md. */
import { commandLine } from '../scripts/command-line.ts';
import { fuzzService } from './service/run.ts';

const USAGE = `Usage: npm run fuzz -- [--seconds 60] [--seed N] [--json]

Requests to a service of its own, made from the OpenAPI document; fuzz/README.md
`;
const { values } = commandLine(USAGE, {
  seconds: { type: 'string', default: '60' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  json: { type: 'boolean', default: false },
});
const seed = Number(values.seed);
process.stderr.write(`seed ${seed}\n`);

/** Of each kind one is shown. */
const seen = new Map<string, number>();
const report = await fuzzService({
  seed,
  seconds: Number(values.seconds),
  note: ({ operation, what, changes, request, answer }) => {
    const kind = `${operation}: ${what}`;
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    if (count > 1) return;
    process.stderr.write(
      `\n${kind}\n  changed: ${changes.join(', ')}\n${request.slice(0, 700)}\n  -> ${answer.slice(0, 400)}\n`,
    );
  },
});
const { findings, ...rest } = report;
if (values.json) process.stdout.write(`${JSON.stringify({ seed, ...report })}\n`);
else {
  process.stdout.write(
    `${JSON.stringify({ ...rest, succeeded: rest.succeeded.length }, null, 2)}\n`,
  );
  for (const [kind, count] of [...seen].sort()) process.stdout.write(`${count} × ${kind}\n`);
}
process.exitCode = findings.length === 0 ? 0 : 1;
