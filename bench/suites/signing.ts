/** Signatures: what it costs to say whether code is signed by somebody who is trusted for it. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { signEd25519, verifyEd25519 } from '../../src/admission/signing/ed25519.ts';
import { signCode } from '../../src/admission/signing/sign-statement.ts';
import { TrustFile } from '../../src/admission/signing/trust-file.ts';
import { verifySigned } from '../../src/admission/signing/verify.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

export const signing: Suite = { name: 'signing', run };

const SIGNERS = 20;

async function run(bench: Bench): Promise<SuiteResult> {
  const rounds = bench.quick ? 3 : 9;
  const each = bench.quick ? 300 : 2000;
  const root = mkdtempSync(join(bench.directory, 'signing-'));
  try {
    const pairs = Array.from({ length: SIGNERS }, () => generateKeyPairSync('ed25519'));
    const [first] = pairs;
    if (first === undefined) throw new Error('no key');
    const trust = new TrustFile(join(root, 'trust.yaml'));
    trust.update(Date.now(), (document) => ({
      ...document,
      signers: pairs.map(({ publicKey }, i) => ({
        name: `signer-${i}`,
        key: String(publicKey.export({ type: 'spki', format: 'pem' })),
        scope: { ids: ['gr*'] },
        until: '2099-01-01',
      })),
    }));
    const digest = createHash('sha256').update('export default 1').digest('hex');
    const subject = { name: 'greet@1.0.0', language: 'javascript', digest } as const;
    const predicate = { id: 'greet', version: '1.0.0', kind: 'javascript' } as const;
    const envelope = JSON.stringify(signCode(digest, predicate, first.privateKey));
    const message = Buffer.alloc(400);
    const bare = signEd25519(message, first.privateKey);
    const rows = [
      {
        label: 'verify signature',
        act: async () => {
          const { ok } = await verifySigned(subject, [envelope], trust.current(), Date.now());
          if (!ok) throw new Error('a good signature was refused');
        },
      },
      {
        label: 'Ed25519 alone (400 bytes)',
        act: () => {
          if (!verifyEd25519(message, bare, first.publicKey)) throw new Error('refused');
        },
      },
      { label: 'the registry as it is now', act: () => void trust.current() },
    ];
    const samples = rows.map((): number[] => []);
    // A file that was written a moment ago is read again at each look.
    await delay(200);
    for (let turn = 0; turn < rounds; turn++) {
      bench.note(`signing: round ${turn + 1} of ${rounds}`);
      for (const [i, { act }] of rows.entries()) {
        for (let count = 0; count < each; count++) {
          const started = performance.now();
          await act();
          samples[i]?.push(performance.now() - started);
        }
      }
    }
    const medians = samples.map((times) => summarize(times));
    return {
      title: 'Signatures',
      method: `A DSSE envelope with one signature, a registry of ${SIGNERS} signers in a file that is looked at each time; ${rounds} rounds of ${each}, the rows in turn. Every answer is checked.`,
      table: {
        columns: ['', 'µs, median', 'middle half', 'p99'],
        rows: rows.map(({ label }, i) => {
          const { median, lowerQuartile, upperQuartile, p99 } = medians[i] ?? summarize([]);
          const [middle, low, high, last] = [median, lowerQuartile, upperQuartile, p99].map(micro);
          return [label, middle ?? '', `${low}–${high}`, last ?? ''];
        }),
      },
      targets: [
        {
          name: 'verify signature',
          measured: medians[0]?.median ?? null,
          sense: '≤',
          limit: 0.2,
          unit: 'ms',
        },
      ],
    };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function micro(ms: number): string {
  return round(ms * 1000);
}
