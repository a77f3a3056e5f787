/** The registered modules of a service, in the shape of the library's registry. */
import { evaluationFromWire } from '../api/evaluation.ts';
import {
  changeModule,
  executeModule,
  inspectModule,
  listModules,
  registerModule,
  removeModule,
} from '../api/modules.ts';
import { valueToWire } from '../api/value.ts';
import { type Result, toResult } from '../core/error.ts';
import type { ModuleExecuteOptions, ModuleExecution } from '../modules/loaded-module.ts';
import type {
  ModuleFilter,
  ModuleInfo,
  ModuleRegistration,
  ModuleStatistics,
} from '../modules/module-schemas.ts';
import type { Inspected, Registered } from '../modules/modules.ts';
import { EXECUTE, INSPECT } from '../modules/option-kinds.ts';
import { checkOptions } from '../policy/known-options.ts';
import { requireText } from '../sandbox/given-values.ts';
import { FILTERS, SENT } from './option-kinds.ts';
import { pagesOf } from './pages.ts';
import { checkRemote } from './place.ts';
import type { SharedModules } from './shared.ts';
import { base64 } from './source.ts';
import type { Transport } from './transport.ts';

export class RemoteModules implements SharedModules, AsyncDisposable {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async register(request: ModuleRegistration): Promise<Registered> {
    checkOptions(request, 'register', SENT.module, 'client');
    const { code, certificate, ...rest } = request;
    const body = {
      ...rest,
      code: code instanceof Uint8Array ? base64(code) : code,
      ...(certificate === undefined ? {} : { certificate: base64(certificate) }),
    };
    return await this.#transport.ask(registerModule, { body: body as never });
  }

  safeRegister(request: ModuleRegistration): Promise<Result<Registered>> {
    return toResult(() => this.register(request));
  }

  async list(filter: ModuleFilter = {}): Promise<ModuleInfo[]> {
    checkOptions(filter, 'list', FILTERS.modules, 'client');
    const { enabled, ...rest } = filter;
    const query = {
      ...rest,
      ...(enabled === undefined ? {} : { enabled: enabled ? 'true' : 'false' }),
    };
    return await pagesOf(this.#transport, listModules, { query: query as never });
  }

  async inspect(reference: string, options: { readonly code?: boolean } = {}): Promise<Inspected> {
    checkOptions(options, 'inspect', INSPECT, 'client');
    requireReference(reference);
    const { codeBase64, ...known } = await this.#transport.ask(inspectModule, {
      params: { reference },
      query: options.code === true ? { code: 'true' } : {},
    });
    return {
      ...known,
      ...(codeBase64 === undefined ? {} : { code: Buffer.from(codeBase64, 'base64') }),
    };
  }

  async execute(reference: string, options: ModuleExecuteOptions = {}): Promise<ModuleExecution> {
    checkRemote(options, 'execute', EXECUTE);
    requireReference(reference);
    const { args, export: name, input, signal } = options;
    const wire = await this.#transport.ask(executeModule, {
      params: { reference },
      signal,
      body: {
        encoding: 'devalue',
        ...(args === undefined ? {} : { args: valueToWire(args, 'devalue') }),
        ...(name === undefined ? {} : { export: name }),
        ...(input === undefined
          ? {}
          : typeof input === 'string'
            ? { input }
            : { inputBase64: base64(input) }),
      },
    });
    const { module, ...evaluation } = wire;
    const admission = wire.admission ?? { decision: 'unchecked' };
    return { ...evaluationFromWire(evaluation, 'devalue'), module, admission };
  }

  safeExecute(
    reference: string,
    options: ModuleExecuteOptions = {},
  ): Promise<Result<ModuleExecution>> {
    return toResult(() => this.execute(reference, options));
  }

  async enable(reference: string): Promise<ModuleInfo> {
    return await this.#change(reference, true);
  }

  async disable(reference: string): Promise<ModuleInfo> {
    return await this.#change(reference, false);
  }

  async remove(reference: string): Promise<void> {
    requireReference(reference);
    await this.#transport.ask(removeModule, { params: { reference } });
  }

  async statistics(reference: string): Promise<ModuleStatistics> {
    return (await this.inspect(reference)).statistics;
  }

  /** Nothing: its connections are the client's. */
  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  async #change(reference: string, enabled: boolean): Promise<ModuleInfo> {
    requireReference(reference);
    return await this.#transport.ask(changeModule, { params: { reference }, body: { enabled } });
  }
}

function requireReference(reference: string): void {
  requireText(reference, 'the module', 'client');
}
