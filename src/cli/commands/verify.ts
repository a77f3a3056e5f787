/** `caisson verify`. */
import { subjectName } from '../../admission/signing/statement.ts';

import { type SignatureVerdict, verifySigned } from '../../admission/signing/verify.ts';
import { CaissonError, errorCodes } from '../../core/error.ts';
import { WALL_NAMES, type WallName } from '../../policy/policy.ts';
import type { Action } from '../command.ts';
import { declaredBy, limitsOf, namedCode, readWhole } from '../signed-code.ts';
import type { verifyFlags } from '../signing-commands.ts';
import { trustFileOf } from '../trust-place.ts';

const SIGNATURE_MAX = 2 ** 20;

export const action: Action<typeof verifyFlags> = async ({ flags, positionals: [file], argv }) => {
  const code = namedCode(flags, file, argv);
  const trust = trustFileOf(flags);
  const registry = trust.current();
  const declares = declaredBy(flags.declares);
  const limits = limitsOf(flags);
  const subject = {
    name: subjectName(code),
    language: code.kind,
    digest: code.digest,
    ...(declares === undefined ? {} : { declares }),
    limits,
  };
  const signatures = signatureFiles(flags.signature, file).map((path) =>
    readWhole(path, SIGNATURE_MAX),
  );
  const verdict = await verifySigned(
    subject,
    signatures.map((bytes) => bytes.toString()),
    registry,
    Date.now(),
    {
      ...(flags.by === undefined ? {} : { by: flags.by }),
      ...(flags.wall === undefined ? {} : { wall: wallOf(flags.wall) }),
    },
  );
  const said = `${subject.name}  ${subject.language}  sha256:${subject.digest}\n`;
  return {
    exit: verdict.ok ? 0 : errorCodes[verdict.code].exit,
    document: { ...subject, trust: trust.path, ...verdict },
    text: verdict.ok ? `${said}${signersOf(verdict)}` : `${said}NOT VERIFIED\n`,
    notes: notesOf(verdict, registry.signers.length === 0),
  };
};

function signersOf(verdict: SignatureVerdict & { ok: true }): string {
  const { signers, groups, walls } = verdict;
  return [
    ...signers.map(({ name, keyId, identity }) => `signed by ${name}  ${identity ?? keyId}\n`),
    ...groups.map((name) => `group ${name} is met\n`),
    ...(walls === undefined ? [] : [`only behind ${walls.join(', ')}\n`]),
  ].join('');
}

function notesOf(verdict: SignatureVerdict, trustsNobody: boolean): string[] {
  const left = verdict.leftOut.map(({ signer, reason }) =>
    signer === undefined ? reason : `${signer}: ${reason}`,
  );
  if (verdict.ok) return left.map((each) => `not counted: ${each}`);
  return [
    `${errorCodes[verdict.code].message}: ${verdict.reason}`,
    `hint: ${hintFor(verdict.code, trustsNobody)}`,
  ];
}

function hintFor(code: 'SIGNATURE_INVALID' | 'SIGNER_UNTRUSTED', trustsNobody: boolean): string {
  if (trustsNobody) return 'nobody is trusted yet: caisson keys trust NAME --key FILE.pub';
  return code === 'SIGNER_UNTRUSTED'
    ? 'caisson keys list shows who is trusted for what; caisson keys trust adds to it'
    : 'give --id, --module-version and --kind as it was signed, or sign it anew';
}

function signatureFiles(
  given: readonly string[] | undefined,
  file: string | undefined,
): readonly string[] {
  if (given !== undefined) return given;
  if (file !== undefined) return [`${file}.sig`];
  throw invalid('there is no signature', 'give --signature FILE');
}

function wallOf(text: string): WallName {
  const wall = WALL_NAMES.find((each) => each === text);
  if (wall !== undefined) return wall;
  throw invalid(`there is no wall ${JSON.stringify(text)}`, `walls are ${WALL_NAMES.join(', ')}`);
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
