/**
 * Names of one sandbox, resolved and checked: the resolver answers with these addresses and the proxy connects to these
 * alone, so that what was checked is what is dialled.
 */
import type { NameDecision, NetworkRules } from '../policy/decide-connection.ts';
import { plainAddress } from '../policy/special-address.ts';
import type { LookUp } from './host-resolver.ts';
import type { ResolvedAddress } from './name-answer.ts';
import { NameMemory } from './name-memory.ts';

export type CheckedAddresses =
  | {
      readonly kind: 'addresses';
      readonly addresses: readonly ResolvedAddress[];
      /** Why addresses were left out, for one of them. */
      readonly leftOut?: NameDecision;
    }
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly reason: string };

export class CheckedNames {
  readonly #lookUp: LookUp;
  readonly #rules: () => NetworkRules;
  readonly #isOwn: (address: string) => boolean;
  readonly #memory = new NameMemory();

  constructor(
    lookUp: LookUp,
    rules: () => NetworkRules,
    isOwn: (address: string) => boolean = () => false,
  ) {
    this.#lookUp = lookUp;
    this.#rules = rules;
    this.#isOwn = isOwn;
  }

  /** @param name In its one form (`hostName`), and one that the policy lets be resolved. */
  async resolve(name: string, family: 4 | 6): Promise<CheckedAddresses> {
    const found = await this.#lookUp(name, family);
    if (found.kind !== 'addresses') return found;
    const addresses: ResolvedAddress[] = [];
    let leftOut: NameDecision | undefined;
    for (const { address, ttlSeconds } of found.addresses) {
      const plain = plainAddress(address);
      const decision = this.#rules().decideAnswer(name, address, this.#isOwn(address));
      if (plain !== undefined && decision.allowed) {
        this.#memory.remember(name, plain, ttlSeconds);
        addresses.push({ address, ttlSeconds });
      } else {
        leftOut ??= decision;
      }
    }
    return { kind: 'addresses', addresses, ...(leftOut === undefined ? {} : { leftOut }) };
  }

  /** Whether the name leads there: as it was answered, or else as it is now. */
  async leadsTo(name: string, address: string): Promise<boolean> {
    if (this.#memory.has(name, address)) return true;
    await this.resolve(name, address.includes(':') ? 6 : 4);
    return this.#memory.has(name, address);
  }

  /** Addresses that the guest was given for the name, or that it was found to lead to. */
  addressesOf(name: string): string[] {
    return this.#memory.addressesOf(name);
  }

  /** Names that the guest was given this address for. */
  namesOf(address: string): string[] {
    return this.#memory.namesOf(address);
  }
}
