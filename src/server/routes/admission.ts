/** Code that is looked at, signed and verified without being run. */

import { createHash, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import { scan } from '../../admission/scan/scan-paths.ts';
import type { SignedSubject } from '../../admission/signing/binding.ts';
import { keyIdOf } from '../../admission/signing/ed25519.ts';
import { readPrivateKeyFile } from '../../admission/signing/key-file.ts';
import { parsePrivateKey } from '../../admission/signing/key-text.ts';
import { signCode } from '../../admission/signing/sign-statement.ts';
import { predicateSchema, subjectName } from '../../admission/signing/statement.ts';
import { verifySigned } from '../../admission/signing/verify.ts';
import { scanCode, signSource, verifySource } from '../../api/admission.ts';
import type { BodyOf } from '../../api/route.ts';
import { CaissonError } from '../../core/error.ts';
import { safeParse } from '../../core/safe-parse.ts';
import type { Config } from '../config/config.ts';
import { implement } from '../http/implement.ts';
import { ScanRoom } from '../scan-room.ts';
import { scannedFiles } from '../scanned-files.ts';
import type { Service } from '../service.ts';
import { trustFileOf } from '../trust-file.ts';

export function serveAdmission(app: FastifyInstance, service: Service): void {
  const { config, state, threats, security } = service;

  const room = new ScanRoom();
  implement(app, scanCode, async ({ body, caller, signal }) => {
    const { files, profile, declares, threshold, listFrom, model } = body;
    const { tenant } = caller;
    const work = async () => {
      await using place = await scannedFiles(state, files);
      const report = await scan([place.directory], {
        store: threats.storeOf(tenant),
        threads: { threads: room.threads },
        signal,
        ...(profile === undefined ? {} : { profile }),
        ...(declares === undefined ? {} : { declares }),
        ...(threshold === undefined ? {} : { threshold }),
        ...(listFrom === undefined ? {} : { listFrom }),
        ...(model === undefined ? {} : { model }),
      });
      return { ...place.named(report) };
    };
    return await security.quotas.executions.during(tenant, signal, () =>
      room.during(tenant, signal, work),
    );
  });

  implement(app, signSource, async ({ body }) => {
    const key = await signingKey(config);
    const { digest, ...subject } = subjectOf(body);
    const predicate = safeParse(predicateSchema, {
      id: body.id,
      kind: body.kind,
      ...(body.version === undefined ? {} : { version: body.version }),
      ...(body.declares === undefined ? {} : { declares: body.declares }),
      ...(body.limits === undefined ? {} : { limits: body.limits }),
    });
    if (!predicate.success) {
      const { path = [], message = '' } = predicate.error.issues[0] ?? {};
      throw invalid(`${path.join('.')}: ${message}`, 'docs/signing.md says what is signed');
    }
    const envelope = signCode(digest, predicate.data, key);
    return { name: subject.name, digest, keyId: keyIdOf(key), envelope: { ...envelope } };
  });

  implement(app, verifySource, async ({ body }) => {
    const subject = subjectOf(body);
    const registry = trustFileOf(service).current();
    const verdict = await verifySigned(subject, body.signatures, registry, Date.now(), {
      ...(body.by === undefined ? {} : { by: body.by }),
    });
    return { digest: subject.digest, ...verdict };
  });
}

function subjectOf(body: BodyOf<typeof signSource>): SignedSubject & { readonly digest: string } {
  const { id, version, kind, code, codeBase64, declares, limits } = body;
  if ((code === undefined) === (codeBase64 === undefined)) {
    throw invalid('there is no code, or it is there twice', 'send code, or codeBase64');
  }
  const bytes = code === undefined ? Buffer.from(codeBase64 ?? '', 'base64') : Buffer.from(code);
  return {
    name: subjectName(version === undefined ? { id } : { id, version }),
    language: kind,
    digest: createHash('sha256').update(bytes).digest('hex'),
    ...(declares === undefined ? {} : { declares }),
    ...(limits === undefined ? {} : { limits: limits as NonNullable<SignedSubject['limits']> }),
  };
}

/** Read at each use: a key that was taken away signs nothing more. */
async function signingKey({ signing }: Config): Promise<KeyObject> {
  if (signing.keyFile === undefined) {
    throw new CaissonError('KEY_INVALID', {
      layer: 'server',
      message: 'this service has no key to sign with',
      hint: 'the operator sets signing.keyFile (caisson keys generate makes a key)',
    });
  }
  const passphrase =
    signing.passphraseFile === undefined
      ? undefined
      : (await readFile(signing.passphraseFile, 'utf8')).replace(/\r?\n$/, '');
  return parsePrivateKey(readPrivateKeyFile(signing.keyFile), passphrase);
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'server', message, hint });
}
