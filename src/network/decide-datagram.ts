/** May datagrams go there? By address: by the names that the resolver gave it for, or by a rule for the address. */
import type { ConnectionDecision } from '../policy/decide-connection.ts';
import type { Judge } from './judge.ts';

export interface DatagramJudge extends Pick<Judge, 'rules'> {
  readonly names: Pick<Judge['names'], 'namesOf'>;
}

export interface DatagramDecision extends ConnectionDecision {
  /** The allowed name that the address was given for. */
  readonly name?: string;
}

/** @param known The name that it was allowed under before, though the address may not be remembered for it any more. */
export function decideDatagram(
  { rules, names }: DatagramJudge,
  where: { readonly address: string; readonly port: number; readonly own: boolean },
  known?: string,
): DatagramDecision {
  const facts = { ...where, protocol: 'udp', speaks: 'other' } as const;
  let refused: DatagramDecision | undefined;
  for (const name of known === undefined ? names.namesOf(where.address) : [known]) {
    const decision = { ...rules.decideConnection({ ...facts, name }), name };
    if (decision.allowed) return decision;
    refused ??= decision;
  }
  const decision = rules.decideConnection({ ...facts, name: undefined });
  return decision.allowed ? decision : (refused ?? decision);
}
