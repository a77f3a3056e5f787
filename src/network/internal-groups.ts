/**
 * Who is on which internal network: the members of each group, their names, and the addresses by which the others in
 * the group connect to them.
 *
 * Addresses are of 100.64.0.0/10, which is nobody's (RFC 6598); no two groups share one. Nothing is routed by them: each
 * sandbox delivers every destination to its own proxy, which looks the address up here.
 */
import { CaissonError } from '../core/error.ts';

/** What a sandbox brings. */
export interface MemberOptions {
  /** Of one tenant of one Caisson. */
  readonly group: string;
  /** A host label, unique in the group while the member lives. */
  readonly name: string;
  /** TCP ports that the others may connect to. */
  readonly ports: readonly number[];
}

export interface Member extends MemberOptions {
  readonly address: string;
  /** Of its network. */
  readonly id: number;
}

interface Group {
  readonly members: Map<string, Member>;
  /** Of members that are gone, too: who takes such a name up again is found where it was. */
  readonly addresses: Map<string, string>;
}

const FIRST = 0x64400001;
const LAST = 0x647ffffe;
/** Members alive in one group. */
const MEMBERS_MAX = 1024;
/** Names of members that are gone are kept up to here, then the oldest is forgotten. */
const ADDRESSES_MAX = 4096;

export class InternalGroups {
  readonly #groups = new Map<string, Group>();
  readonly #used = new Set<string>();
  #next = FIRST;

  /** @throws REQUEST_INVALID where the name is taken, or the group is full */
  join(id: number, options: MemberOptions): Member {
    const group = this.#groups.get(options.group) ?? { members: new Map(), addresses: new Map() };
    if (group.members.has(options.name)) throw taken(options.name);
    if (group.members.size >= MEMBERS_MAX) throw full();
    this.#groups.set(options.group, group);
    const address = group.addresses.get(options.name) ?? this.#allot();
    const member = { ...options, id, address };
    group.members.set(options.name, member);
    group.addresses.set(options.name, address);
    this.#forgetOldest(group);
    return member;
  }

  leave({ group: key, name, id }: Member): void {
    const group = this.#groups.get(key);
    if (group?.members.get(name)?.id !== id) return;
    group.members.delete(name);
    if (group.members.size > 0) return;
    for (const address of group.addresses.values()) this.#used.delete(address);
    this.#groups.delete(key);
  }

  byName(group: string, name: string): Member | undefined {
    return this.#groups.get(group)?.members.get(name);
  }

  byAddress(group: string, address: string): Member | undefined {
    const members = this.#groups.get(group)?.members.values() ?? [];
    for (const member of members) if (member.address === address) return member;
    return undefined;
  }

  #forgetOldest({ members, addresses }: Group): void {
    if (addresses.size <= ADDRESSES_MAX) return;
    for (const [name, address] of addresses) {
      if (members.has(name)) continue;
      addresses.delete(name);
      this.#used.delete(address);
      return;
    }
  }

  /** The next one that nobody has: four million of them, of which groups hold some thousands. */
  #allot(): string {
    for (;;) {
      const bits = this.#next;
      this.#next = bits === LAST ? FIRST : bits + 1;
      const address = [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.');
      if (this.#used.has(address)) continue;
      this.#used.add(address);
      return address;
    }
  }
}

function taken(name: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'network',
    message: `the name ${name} is taken in the group`,
    hint: 'close the sandbox that has it, or give this one another name',
    details: { name },
  });
}

function full(): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'network',
    message: `a group has ${MEMBERS_MAX} members at most`,
    hint: 'close some, or make another group',
  });
}
