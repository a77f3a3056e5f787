/** The files of a sandbox that a request names, and the account that what it uploads is on. */
import { CaissonError } from '../../core/error.ts';
import type { FileInfo } from '../../sandbox/files.ts';
import type { ManagedSandbox } from '../../sandbox/manager/managed-sandbox.ts';
import type { Asked } from '../http/implement.ts';
import type { Service } from '../service.ts';
import { UploadAccount } from '../upload-account.ts';

export class FileAccess {
  readonly #service: Pick<Service, 'manager' | 'sandboxes' | 'security'>;
  readonly #accounts = new WeakMap<ManagedSandbox, UploadAccount>();

  constructor(service: Pick<Service, 'manager' | 'sandboxes' | 'security'>) {
    this.#service = service;
  }

  /** @throws NOT_FOUND, also for another tenant’s; SANDBOX_CLOSED; CONFLICT where it is paused */
  find({
    caller,
    params,
  }: Pick<Asked, 'caller'> & { readonly params: { readonly id: string } }): ManagedSandbox {
    return awake(this.#service.sandboxes.get(caller.tenant, params.id));
  }

  /** It ends with the sandbox. */
  account(sandbox: ManagedSandbox, tenant: string): UploadAccount {
    let account = this.#accounts.get(sandbox);
    if (account === undefined) {
      const { manager, security } = this.#service;
      account = new UploadAccount(security.quotas.reserve(tenant, { workspaceBytes: 0 }));
      this.#accounts.set(sandbox, account);
      const release = account.release.bind(account);
      manager.wait(sandbox.id).then(release, release);
    }
    return account;
  }
}

/** What stands still answers nothing: whoever asks would wait for nobody knows how long. */
function awake(sandbox: ManagedSandbox): ManagedSandbox {
  if (sandbox.state !== 'Paused') return sandbox;
  throw new CaissonError('CONFLICT', {
    layer: 'server',
    message: `the sandbox ${sandbox.id} is paused`,
    hint: `POST /api/sandboxes/${sandbox.id}/resume`,
  });
}

export function noFile(path: string, type: FileInfo['type']): CaissonError {
  const is = type === 'special' ? 'device, FIFO or socket' : type;
  return new CaissonError('FILE_FAILED', {
    layer: 'server',
    message: `${path} is a ${is}`,
    hint: type === 'link' ? 'ask with follow=true for what it leads to' : 'look at /files/stat',
    details: {
      path,
      errno: type === 'directory' ? 'EISDIR' : type === 'link' ? 'ELOOP' : 'EINVAL',
    },
  });
}
