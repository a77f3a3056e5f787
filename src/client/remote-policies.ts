/** Policies that the key's tenant keeps by name. */
import {
  comparePolicies,
  listPolicies,
  policyVersions,
  readPolicy,
  removePolicy,
  storePolicy,
  validatePolicy,
} from '../api/policies.ts';
import type { ValueOf } from '../api/route.ts';
import { checkOptions, type KindsOf } from '../policy/known-options.ts';
import type { PolicyInput } from '../sandbox/policy-book.ts';
import { pagesOf } from './pages.ts';
import { policyToWire, type RemotePolicyInput } from './place.ts';
import type { Transport } from './transport.ts';

export type StoredRemotePolicy = ValueOf<typeof readPolicy>;

/** What must be there before a change. */
export interface IfUnchanged {
  /** The version that is there: the `etag` that {@link RemotePolicies.read} told. */
  readonly ifMatch?: string;
}

const IF_UNCHANGED = { ifMatch: 'text' } as const satisfies KindsOf<IfUnchanged>;

export class RemotePolicies {
  readonly #transport: Transport;

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The latest version of each, by name. */
  async list(): Promise<StoredRemotePolicy[]> {
    return await pagesOf(this.#transport, listPolicies);
  }

  /** @throws POLICY_NOT_FOUND */
  async read(
    name: string,
    options: { readonly version?: number } = {},
  ): Promise<StoredRemotePolicy & { readonly etag: string }> {
    checkOptions(options, 'read', { version: 'number' }, 'client');
    const { version } = options;
    const { value, headers } = await this.#transport.askWithHeaders(readPolicy, {
      params: { name },
      query: version === undefined ? {} : { version },
    });
    return { ...value, etag: headers.etag ?? '' };
  }

  /** Newest first. @throws POLICY_NOT_FOUND */
  async versions(name: string): Promise<StoredRemotePolicy[]> {
    return await pagesOf(this.#transport, policyVersions, { params: { name } }, 'before');
  }

  /**
   * A new version; what is the same as the latest is not stored again.
   *
   * @param options `ifNew`: there must be none of that name
   * @throws POLICY_INVALID, POLICY_BEYOND_CEILING, PRECONDITION_FAILED, QUOTA_EXCEEDED
   */
  async store(
    name: string,
    policy: Exclude<PolicyInput, string>,
    options: IfUnchanged & { readonly ifNew?: boolean } = {},
  ): Promise<StoredRemotePolicy> {
    checkOptions(options, 'store', { ...IF_UNCHANGED, ifNew: 'boolean' }, 'client');
    const { ifMatch, ifNew = false } = options;
    return await this.#transport.ask(storePolicy, {
      params: { name },
      body: policyToWire(policy) as Record<string, unknown>,
      headers: {
        ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
        ...(ifNew ? { 'if-none-match': '*' } : {}),
      },
    });
  }

  /** Forgets all versions. @throws POLICY_NOT_FOUND, PRECONDITION_FAILED */
  async remove(name: string, options: IfUnchanged = {}): Promise<void> {
    checkOptions(options, 'remove', IF_UNCHANGED, 'client');
    const { ifMatch } = options;
    await this.#transport.ask(removePolicy, {
      params: { name },
      headers: ifMatch === undefined ? {} : { 'if-match': ifMatch },
    });
  }

  /** Whether it is a policy, and whether this tenant may use it. */
  async validate(policy: RemotePolicyInput): Promise<ValueOf<typeof validatePolicy>> {
    return await this.#transport.ask(validatePolicy, { body: { policy: policyToWire(policy) } });
  }

  /** What one allows and the other does not, in sentences. */
  async compare(
    first: RemotePolicyInput,
    second: RemotePolicyInput,
  ): Promise<ValueOf<typeof comparePolicies>> {
    const body = { first: policyToWire(first), second: policyToWire(second) };
    return await this.#transport.ask(comparePolicies, { body });
  }
}
