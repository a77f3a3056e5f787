/** Whom the service trusts. It counts for every tenant, so operators alone change it. */
import type { FastifyInstance } from 'fastify';
import { withEntry, withRevoked } from '../../admission/signing/change-trust.ts';
import { parsePublicKey, publicKeyPem } from '../../admission/signing/key-text.ts';
import { shownSigner } from '../../admission/signing/shown-signer.ts';
import type { TrustRegistry } from '../../admission/signing/trust-registry.ts';
import { listSigners, revokeSigner, trustSigner } from '../../api/admission.ts';
import { CaissonError } from '../../core/error.ts';
import { implement } from '../http/implement.ts';
import { requireOperator } from '../security/caller.ts';
import type { Service } from '../service.ts';
import { trustFileOf } from '../trust-file.ts';
import { AccessRecords } from './access-records.ts';

export function serveTrust(app: FastifyInstance, service: Service): void {
  const trust = trustFileOf(service);
  const records = new AccessRecords(service);

  implement(app, listSigners, () => {
    const { signers, groups } = trust.current();
    const nowMs = Date.now();
    return {
      signers: signers.map((signer) => shownSigner(signer, nowMs)),
      groups: groups.map((group) => ({ ...group })),
    };
  });

  implement(app, trustSigner, async (asked) => {
    const { body, caller } = asked;
    requireOperator(caller);
    await records.ready();
    const { name, key, scope, from, until, replace = false } = body;
    const entry = {
      name,
      key: publicKeyPem(parsePublicKey(key)),
      ...(scope === undefined ? {} : { scope }),
      ...(from === undefined ? {} : { from }),
      ...(until === undefined ? {} : { until }),
    };
    const registry = trust.update(Date.now(), (document) => withEntry(document, entry, replace));
    records.add(asked, 'signer-trusted', name, caller.tenant);
    return shown(registry, name);
  });

  implement(app, revokeSigner, (asked) => {
    const { params, body, caller } = asked;
    requireOperator(caller);
    const nowMs = Date.now();
    let { name } = params;
    const registry = trust.update(nowMs, (document) => {
      const revoked = withRevoked(document, name, { reason: body.reason, nowMs });
      name = revoked.name;
      return revoked.document;
    });
    records.add(asked, 'signer-revoked', name, caller.tenant);
    return shown(registry, name);
  });
}

function shown({ signers }: TrustRegistry, name: string) {
  const signer = signers.find((each) => each.name === name);
  if (signer !== undefined) return shownSigner(signer, Date.now());
  throw new CaissonError('NOT_FOUND', { layer: 'server', message: `there is no signer ${name}` });
}
