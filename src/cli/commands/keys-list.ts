/** `caisson keys list`. */
import { shownSigner } from '../../admission/signing/shown-signer.ts';
import type { GroupDocument } from '../../admission/signing/trust-document.ts';
import type { TrustedSigner } from '../../admission/signing/trust-registry.ts';
import type { Action } from '../command.ts';
import type { listFlags } from '../signing-commands.ts';
import { columns } from '../text-columns.ts';
import { trustFileOf } from '../trust-place.ts';

export const action: Action<typeof listFlags> = async ({ flags }) => {
  const trust = trustFileOf(flags);
  const { signers, groups } = trust.current();
  const now = Date.now();
  const rows = signers.map((signer) => shownSigner(signer, now));
  return {
    exit: 0,
    document: { trust: trust.path, signers: rows, groups },
    text: [
      rows.length === 0
        ? ''
        : columns([
            ['NAME', 'STATE', 'KEY', 'MAY SIGN'],
            ...rows.map(({ name, state, key, scope }) => [name, state, key, scopeText(scope)]),
          ]),
      ...groups.map(groupText),
    ].join(''),
    notes:
      rows.length === 0
        ? [`${trust.path} trusts nobody yet: caisson keys trust NAME --key FILE.pub`]
        : [],
  };
};

function scopeText({ ids, kinds, walls }: TrustedSigner['scope']): string {
  const parts = [
    ...(ids === undefined ? [] : [ids.join(', ')]),
    ...(kinds === undefined ? [] : [`kinds ${kinds.join(', ')}`]),
    ...(walls === undefined ? [] : [`behind ${walls.join(', ')}`]),
  ];
  return parts.length === 0 ? 'everything' : parts.join('; ');
}

function groupText({ name, of, threshold, ids }: GroupDocument): string {
  const needed = ids === undefined ? '' : `, needed for ${ids.join(', ')}`;
  return `group ${name}: ${threshold} of ${of.join(', ')}${needed}\n`;
}
