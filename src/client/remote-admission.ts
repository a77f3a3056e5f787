/** Code that a service looks at, signs and verifies, and whom it trusts. */

import {
  listSigners,
  revokeSigner,
  scanCode,
  signSource,
  trustSigner,
  verifySource,
} from '../api/admission.ts';
import type { BodyInputOf, ValueOf } from '../api/route.ts';
import { CaissonError } from '../core/error.ts';
import { checkOptions } from '../policy/known-options.ts';
import { requireContent, requireObject } from '../sandbox/given-values.ts';
import { SENT } from './option-kinds.ts';
import { base64 } from './source.ts';
import type { Transport } from './transport.ts';

type ScanBody = BodyInputOf<typeof scanCode>;
type SubjectBody = BodyInputOf<typeof signSource>;

export type RemoteScanOptions = Omit<ScanBody, 'files'> & { readonly signal?: AbortSignal };
export type RemoteScanReport = ValueOf<typeof scanCode>;

/** What is signed, or said to be. */
export type RemoteSubject = Omit<SubjectBody, 'code' | 'codeBase64'> & {
  readonly code: string | Uint8Array;
};

/** @param files by path; the ending of a name says what it is */
export async function scanRemotely(
  transport: Transport,
  files: Readonly<Record<string, string | Uint8Array>>,
  given: RemoteScanOptions,
): Promise<RemoteScanReport> {
  requireObject(files, 'what is to be scanned', 'client');
  checkOptions(given, 'scan', SENT.scan, 'client');
  const { signal, ...options } = given;
  for (const [path, content] of Object.entries(files))
    requireContent(content, `scan as ${JSON.stringify(path)}`, 'client');
  const wire = Object.entries(files).map(([path, content]) => [
    path,
    typeof content === 'string' ? content : { base64: base64(content) },
  ]);
  const body = { ...options, files: Object.fromEntries(wire) };
  return await transport.ask(scanCode, { body, signal });
}

export async function signRemotely(
  transport: Transport,
  subject: RemoteSubject,
): Promise<ValueOf<typeof signSource>> {
  return await transport.ask(signSource, { body: subjectToWire(subject) });
}

export async function verifyRemotely(
  transport: Transport,
  subject: RemoteSubject,
  signatures: readonly (string | object)[],
  by: readonly string[] | undefined,
): Promise<ValueOf<typeof verifySource>> {
  if (!Array.isArray(signatures)) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'client',
      message: 'the signatures are no list',
      hint: 'write verify(subject, [signature])',
    });
  }
  const body = {
    ...subjectToWire(subject),
    signatures: signatures.map((each) => (typeof each === 'string' ? each : JSON.stringify(each))),
    ...(by === undefined ? {} : { by: [...by] }),
  };
  return await transport.ask(verifySource, { body });
}

/** Whom a service trusts, for every tenant; changed by operators. */
export class RemoteTrust {
  readonly #transport: Transport;

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async list(): Promise<ValueOf<typeof listSigners>> {
    return await this.#transport.ask(listSigners);
  }

  /** @throws KEY_INVALID, TRUST_INVALID, FORBIDDEN */
  async trust(signer: BodyInputOf<typeof trustSigner>): Promise<ValueOf<typeof trustSigner>> {
    checkOptions(signer, 'trust', SENT.signer, 'client');
    return await this.#transport.ask(trustSigner, { body: signer });
  }

  /** @param name of the signer, or id of its key */
  async revoke(name: string, reason: string): Promise<ValueOf<typeof revokeSigner>> {
    return await this.#transport.ask(revokeSigner, { params: { name }, body: { reason } });
  }
}

/** @throws REQUEST_INVALID */
function subjectToWire(given: RemoteSubject): SubjectBody {
  checkOptions(given, 'what is signed', SENT.subject, 'client');
  const { code, ...subject } = given;
  requireContent(code, 'be signed', 'client');
  return {
    ...subject,
    ...(typeof code === 'string' ? { code } : { codeBase64: base64(code) }),
  };
}
