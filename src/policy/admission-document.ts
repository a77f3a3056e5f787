/** What a policy may ask of code before it runs: how it is written, and from there to what is kept of it and back. */
import { z } from 'zod';
import { CAPABILITIES } from '../core/admission.ts';
import { checkedString, list, nameFault } from './checked-value.ts';
import type { Policy, ScanPolicy } from './policy.ts';
import type { Sheet } from './sheet.ts';
import { canonicalWaiver, reduceWaivers, waiverSchema } from './waiver.ts';

const REQUIREMENTS = ['proof', 'signature'] as const;
const SWITCH = ['on', 'off'] as const;
const SIGNER = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/;

const score = (least: number) =>
  z
    .int({ error: `write a whole number from ${least} to 100` })
    .min(least)
    .max(100);

export const admissionSchema = z
  .strictObject({
    scan: z
      .enum(SWITCH)
      .describe(
        'Whether code is analysed before it may run. `on` (default here); `off`: it is not. Where a policy has no `admission` at all, modules are scanned when they are registered, and what is run or evaluated is not.',
      ),
    refuse: score(1).describe('A score from here on is refused. Default 80.'),
    strengthen: score(0).describe(
      'A score from here on, and below `refuse`, is admitted behind a stronger wall. Default 40, or `refuse` where that is less.',
    ),
    profile: z
      .enum(['effect', 'package'])
      .describe(
        'What code is taken to declare: `effect` (default): nothing; `package`: what an ordinary npm or PyPI package does.',
      ),
    declares: list(z.enum(CAPABILITIES)).describe(
      'Effects that code may declare beyond the profile: a module those of them that its manifest names, a program or command all of them. What is declared counts only as a link of a chain.',
    ),
    requires: z
      .union([z.enum(REQUIREMENTS), z.array(z.enum(REQUIREMENTS)).max(8)], {
        error: 'write signature, proof, or a list of them',
      })
      .describe(
        '`signature`: by a trusted signer, for exactly this code; `proof`: a WebAssembly module with a certificate that checks. Both: both.',
      ),
    signers: list(checkedString(nameFault(SIGNER, 'a name of a signer'))).describe(
      'Names of trusted signers whose signatures count; requires a signature. Not said: any trusted one.',
    ),
    waivers: list(waiverSchema).describe(
      'Findings that do not count, each with a reason and an end. One of `rule` and `family`.',
    ),
    model: z.enum(SWITCH).describe('Whether the trained model adds to the rules. Default `on`.'),
  })
  .partial();

export type AdmissionDocument = z.infer<typeof admissionSchema>;

/** What is said last holds, lists are joined; absent where no document speaks of it. */
export function resolveAdmission(sheet: Sheet): Pick<Policy, 'admission'> {
  const said: AdmissionDocument[] = sheet.layers.flatMap(
    ({ document }) => document.admission ?? [],
  );
  if (said.length === 0) return {};
  const last: AdmissionDocument = Object.assign({}, ...said);
  const refuse = last.refuse ?? 80;
  const strengthen = last.strengthen ?? Math.min(40, refuse);
  if (strengthen > refuse) {
    const place = ['admission', last.strengthen === undefined ? 'refuse' : 'strengthen'];
    sheet.report(
      sheet.lastLayer(place),
      place,
      `strengthen (${strengthen}) is above refuse (${refuse}), and would never be reached`,
      'write a number that is not above `refuse`',
    );
  }
  for (const layer of sheet.layers) {
    for (const [i, { rule, family }] of (layer.document.admission?.waivers ?? []).entries()) {
      if ((rule === undefined) !== (family === undefined)) continue;
      sheet.report(
        layer,
        ['admission', 'waivers', i],
        'a waiver is for findings of one rule or of one family',
        'name `rule` or `family`',
      );
    }
  }
  const joined = <T>(pick: (document: AdmissionDocument) => readonly T[] | undefined) =>
    said.some((document) => pick(document) !== undefined)
      ? [...new Set(said.flatMap((document) => pick(document) ?? []))].sort()
      : undefined;
  const signers = joined(({ signers: names }) => names);
  const required = joined(({ requires }) =>
    requires === undefined ? undefined : [requires].flat(),
  );
  const requires = new Set([
    ...(required ?? []),
    ...(signers === undefined ? [] : ['signature' as const]),
  ]);
  const waivers = said.flatMap((document) => document.waivers ?? []).map(canonicalWaiver);
  const scan: ScanPolicy = {
    refuse,
    strengthen,
    profile: last.profile ?? 'effect',
    declares: joined(({ declares }) => declares) ?? [],
    model: last.model !== 'off',
    waivers: reduceWaivers(waivers),
  };
  return {
    admission: {
      ...(last.scan === 'off' ? {} : { scan }),
      requires: [...requires].sort(),
      ...(signers === undefined ? {} : { signers }),
    },
  };
}

/** As one writes it. */
export function admissionDocument({ admission }: Pick<Policy, 'admission'>): {
  admission?: AdmissionDocument;
} {
  if (admission === undefined) return {};
  const { scan, requires, signers } = admission;
  const asked = {
    ...(requires.length === 0 ? {} : { requires: [...requires] }),
    ...(signers === undefined ? {} : { signers: [...signers] }),
  };
  if (scan === undefined) return { admission: { scan: 'off', ...asked } };
  const { declares, model, waivers, ...rest } = scan;
  return {
    admission: {
      scan: 'on',
      ...rest,
      declares: [...declares],
      ...asked,
      model: model ? 'on' : 'off',
      ...(waivers.length === 0 ? {} : { waivers: waivers.map((each) => ({ ...each })) }),
    },
  };
}
