/** Who may ask for what, and whose signatures count: changes of it, as the audit log has them. */
import type { ObservedEvent } from '../../core/ports.ts';
import type { Asked } from '../http/implement.ts';
import type { Service } from '../service.ts';

type Action = Extract<ObservedEvent, { kind: 'access' }>['action'];

export class AccessRecords {
  readonly #audit: Service['audit'];

  constructor({ audit }: Pick<Service, 'audit'>) {
    this.#audit = audit;
  }

  /**
   * Before anything is given to anybody. What takes something away does not ask: it must go on without a log, too.
   *
   * @throws AUDIT_UNAVAILABLE
   */
  async ready(): Promise<void> {
    await this.#audit?.ready();
  }

  /** @param subject id of the key or the tenant, or name of the signer */
  add(
    { caller, id }: Pick<Asked, 'caller' | 'id'>,
    action: Action,
    subject: string,
    tenant: string,
  ): void {
    this.#audit?.observer({ kind: 'access', id, tenant, action, subject, by: caller.subject });
  }
}
