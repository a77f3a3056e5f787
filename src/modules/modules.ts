/**
 * A registry of modules: small programs that are checked once and executed often. Versions are immutable, code is
 * addressed by its content. What is executed is held in memory; what other processes change is seen within a second.
 *
 * Over 300 lines: the public surface, with what each method promises.
 */
import { UNCHECKED } from '../core/admission.ts';
import { CaissonError, isCaissonError, type Result, toResult } from '../core/error.ts';
import { newId } from '../core/ids.ts';
import { digestPolicy } from '../policy/digest.ts';
import { checkOptions } from '../policy/known-options.ts';
import type { Policy } from '../policy/policy.ts';
import { suggest } from '../policy/suggest.ts';
import { openStateDirectory } from '../sandbox/state-directory.ts';
import type { ModuleManifest, ModuleStore, StoredModule } from '../store/module-record.ts';
import { SqliteModuleStore } from '../store/sqlite-module-store.ts';
import { checkCode } from './check-code.ts';
import { ExecutionCounter, outcomeWord, statisticsOf } from './execution-counts.ts';
import {
  certificateOf,
  type LoadedModule,
  type ModuleExecuteOptions,
  type ModuleExecution,
} from './loaded-module.ts';
import { ModuleCache } from './module-cache.ts';
import { exists, keyOf, notFound } from './module-errors.ts';
import { infoOf } from './module-info.ts';
import { ModuleLoader } from './module-loader.ts';
import { registrationOf } from './module-manifest.ts';
import {
  type Ceilings,
  ceilingsSchema,
  executeSchema,
  listSchema,
  type ModuleFilter,
  type ModuleInfo,
  type ModuleRegistration,
  type ModuleStatistics,
  referenceSchema,
  splitReference,
} from './module-schemas.ts';
import { compareVersions, latestVersion } from './module-version.ts';
import {
  type Executor,
  executorOf,
  type ModulesOptions,
  type ModulesSetup,
} from './modules-setup.ts';
import { EXECUTE, INSPECT, MODULES } from './option-kinds.ts';
import { checkOutOfReach } from './out-of-reach.ts';
import { parseRequest } from './parse-request.ts';
import { tracedExecute, tracedRegister } from './traced-modules.ts';

export interface Registered {
  readonly module: ModuleInfo;
  /** false: it was there already, with the same content. */
  readonly added: boolean;
}

export interface Inspected extends ModuleInfo {
  readonly statistics: ModuleStatistics;
  /** Where it was asked for. */
  readonly code?: Uint8Array;
}

export class Modules {
  readonly #setup: ModulesSetup;
  readonly #store: ModuleStore;
  readonly #ceilings: Ceilings;
  readonly #executor: Executor;
  readonly #loader: ModuleLoader;
  readonly #cache: ModuleCache;
  readonly #counter: ExecutionCounter;
  readonly #tenant: string | undefined;
  #closed = false;

  private constructor(
    setup: ModulesSetup,
    { path: _, ceilings, admission, store: __, ...place }: ModulesOptions,
    opened: { store: ModuleStore; policy: Policy; ceilings: Ceilings },
  ) {
    this.#setup = setup;
    this.#store = opened.store;
    this.#ceilings = opened.ceilings;
    this.#executor = executorOf(setup, place);
    this.#tenant = place.tenant;
    this.#loader = new ModuleLoader({
      ...opened,
      executor: this.#executor,
      admit: async (candidate) =>
        admission === undefined
          ? await setup.admit(candidate, opened.policy, place)
          : { report: await admission(candidate), untilMs: Number.POSITIVE_INFINITY },
      observer: setup.observer,
      policyDigest: digestPolicy(opened.policy),
      tenant: place.tenant,
    });
    this.#cache = new ModuleCache(opened.store);
    this.#counter = new ExecutionCounter(opened.store);
  }

  /** @throws STORE_UNUSABLE, REQUEST_INVALID, POLICY_INVALID, PATH_ESCAPES */
  static async open(setup: ModulesSetup, options: ModulesOptions): Promise<Modules> {
    checkOptions(options, 'modules', MODULES, 'modules');
    const ceilings = parseRequest(ceilingsSchema, options.ceilings ?? {}, 'the ceilings');
    const policy = await setup.policy(options.policy ?? 'strict');
    const store = options.store ?? openStore(setup, options, policy);
    return new Modules(setup, options, { store, policy, ceilings });
  }

  /**
   * Checks the code without executing any of it, and keeps it. The same content under the same version again changes
   * nothing; other content is refused, also after the version was removed.
   *
   * @throws REQUEST_INVALID, MODULE_TOO_LARGE, MODULE_CODE_INVALID, MODULE_SIGNATURE_WRONG, MODULE_EXISTS,
   * MODULE_REFUSED, WASM_*, STORE_UNUSABLE, and what a host process could not be started for
   */
  async register(request: ModuleRegistration): Promise<Registered> {
    this.#checkOpen();
    await this.#setup.recorded();
    const { telemetry } = this.#setup;
    if (telemetry === undefined) return await this.#orRecorded(() => this.#register(request));
    return await tracedRegister(telemetry, this.#tenant, () =>
      this.#orRecorded(() => this.#register(request)),
    );
  }

  async #register(request: ModuleRegistration): Promise<Registered> {
    const { manifest, code, identity } = registrationOf(request, this.#ceilings);
    const known = await this.#store.find(manifest, identity);
    if (known.result === 'differs') throw exists(manifest);
    if (known.stored !== undefined) return { module: infoOf(known.stored), added: false };
    // Before anything else reads it, a compiler too.
    const { report: admission } = await this.#loader.admit(manifest, code);
    const compileOnly = {
      ...manifest.limits,
      compileOnly: true,
      ...(manifest.certificate === undefined ? {} : { wasm: certificateOf(manifest) }),
    } as const;
    const described = await checkCode(manifest, code, (program) =>
      this.#executor.evaluate(program, compileOnly, UNCHECKED),
    );
    const record = {
      manifest,
      ...(described === undefined ? {} : { interface: described }),
      admission,
      registeredMs: Date.now(),
    };
    const { result, stored } = await this.#store.add(record, code, identity);
    if (result === 'differs' || stored === undefined) throw exists(manifest);
    this.#cache.clear();
    if (result === 'added') this.#tell('registered', manifest);
    return { module: infoOf(stored), added: result === 'added' };
  }

  safeRegister(request: ModuleRegistration): Promise<Result<Registered>> {
    return toResult(() => this.register(request));
  }

  /** By id, and by version from the lowest. @throws REQUEST_INVALID, STORE_UNUSABLE */
  async list(filter: ModuleFilter = {}): Promise<ModuleInfo[]> {
    this.#checkOpen();
    const { id, kind, enabled } = parseRequest(listSchema, filter, 'the filter');
    const found = (await this.#store.list(id)).map(infoOf).filter((module) => {
      return (
        (kind === undefined || module.kind === kind) &&
        (enabled === undefined || module.enabled === enabled)
      );
    });
    return found.sort((a, b) =>
      a.id === b.id ? compareVersions(a.version, b.version) : a.id < b.id ? -1 : 1,
    );
  }

  /** @param reference `id@version`, or `id` for its latest release @throws MODULE_NOT_FOUND, REQUEST_INVALID, STORE_UNUSABLE */
  async inspect(reference: string, options: { readonly code?: boolean } = {}): Promise<Inspected> {
    checkOptions(options, 'inspect', INSPECT, 'modules');
    const stored = await this.#find(reference);
    const { manifest } = stored.record;
    const counts = await this.#counter.of(keyOf(manifest), manifest);
    return {
      ...infoOf(stored),
      statistics: statisticsOf(counts),
      ...(options.code === true ? { code: await this.#loader.code(manifest) } : {}),
    };
  }

  /**
   * What the module does is the result; only what goes wrong on our side throws.
   *
   * @param reference `id@version`, or `id` for its latest release
   * @throws MODULE_NOT_FOUND, MODULE_DISABLED, MODULE_REFUSED, REQUEST_INVALID, STORE_UNUSABLE, and as `evaluate` and `run` do
   */
  async execute(reference: string, options: ModuleExecuteOptions = {}): Promise<ModuleExecution> {
    const { telemetry } = this.#setup;
    if (telemetry === undefined) return await this.#execute(reference, options);
    return await tracedExecute(telemetry, this.#tenant, () => this.#execute(reference, options));
  }

  async #execute(reference: string, options: ModuleExecuteOptions): Promise<ModuleExecution> {
    this.#checkOpen();
    checkOptions(options, 'execute', EXECUTE, 'modules');
    const { grants: _, signal: __, ...request } = options;
    parseRequest(executeSchema, request, 'the execution');
    const loaded =
      this.#cache.get(reference) ?? (await this.#orRecorded(() => this.#load(reference)));
    const { key, manifest, admission } = loaded;
    const began = performance.now();
    try {
      const evaluation = await loaded.execute(options);
      this.#counter.note(key, manifest, outcomeWord(evaluation), evaluation.usage.wallMs);
      const { id, version, digest } = manifest;
      return { ...evaluation, module: { id, version, digest }, admission };
    } catch (error) {
      this.#counter.note(key, manifest, 'rejected', performance.now() - began);
      throw error;
    }
  }

  safeExecute(
    reference: string,
    options: ModuleExecuteOptions = {},
  ): Promise<Result<ModuleExecution>> {
    return toResult(() => this.execute(reference, options));
  }

  /** Executions that have begun come to their end; others are refused. @throws MODULE_NOT_FOUND, STORE_UNUSABLE */
  async disable(reference: string): Promise<ModuleInfo> {
    return await this.#enable(reference, false);
  }

  /** @throws MODULE_NOT_FOUND, STORE_UNUSABLE */
  async enable(reference: string): Promise<ModuleInfo> {
    return await this.#enable(reference, true);
  }

  /**
   * Forgets one version with its counts, and its code where no other has the same. Executions that have begun come to
   * their end. Under that version only the same content can be registered again.
   *
   * @param reference `id@version`: what is removed is named exactly
   * @throws MODULE_NOT_FOUND, REQUEST_INVALID, STORE_UNUSABLE
   */
  async remove(reference: string): Promise<void> {
    const { version } = splitReference(parseRequest(referenceSchema, reference, 'the module'));
    if (version === undefined) {
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'modules',
        message: 'a module is removed by its exact version',
        hint: `write ${reference}@VERSION; the list of modules shows what is there (caisson module list)`,
      });
    }
    const { manifest } = (await this.#find(reference)).record;
    this.#counter.forget(keyOf(manifest));
    const removed = await this.#store.remove(manifest);
    this.#cache.clear();
    if (!removed) throw notFound(reference, []);
    this.#tell('removed', manifest);
  }

  /** @throws MODULE_NOT_FOUND, STORE_UNUSABLE */
  async statistics(reference: string): Promise<ModuleStatistics> {
    const { manifest } = (await this.#find(reference)).record;
    return statisticsOf(await this.#counter.of(keyOf(manifest), manifest));
  }

  /** Writes the counts that are left. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#counter.close();
    await this.#store.close();
    this.#setup.onClose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #enable(reference: string, enabled: boolean): Promise<ModuleInfo> {
    const stored = await this.#find(reference);
    const found = await this.#store.enable(stored.record.manifest, enabled);
    this.#cache.clear();
    if (!found) throw notFound(reference, []);
    this.#tell(enabled ? 'enabled' : 'disabled', stored.record.manifest);
    return infoOf({ ...stored, enabled });
  }

  #tell(
    action: 'registered' | 'enabled' | 'disabled' | 'removed',
    manifest: Pick<ModuleManifest, 'id' | 'version' | 'digest'>,
  ): void {
    const { digest } = manifest;
    this.#setup.observer?.({
      kind: 'module',
      ...this.#about(),
      action,
      module: keyOf(manifest),
      digest,
    });
  }

  /** What is refused here, nobody else records. */
  async #orRecorded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isCaissonError(error)) {
        const { code, message } = error;
        this.#setup.observer?.({ kind: 'refused', ...this.#about(), code, message });
      }
      throw error;
    }
  }

  #about(): { id: string; tenant?: string } {
    const id = newId('run');
    return this.#tenant === undefined ? { id } : { id, tenant: this.#tenant };
  }

  async #find(reference: string): Promise<StoredModule> {
    this.#checkOpen();
    const name = splitReference(parseRequest(referenceSchema, reference, 'the module'));
    if (name.version !== undefined) {
      const found = await this.#store.get({ id: name.id, version: name.version });
      if (found !== undefined) return found;
    }
    const all = await this.#store.list(name.id);
    const versions = all.map(({ record }) => record.manifest.version);
    const wanted = name.version ?? latestVersion(versions);
    const found = all.find(({ record }) => record.manifest.version === wanted);
    if (found !== undefined) return found;
    if (versions.length > 0) throw notFound(reference, versions.sort(compareVersions));
    const ids = (await this.#store.list()).map(({ record }) => record.manifest.id);
    throw notFound(reference, [], suggest(name.id, new Set(ids)));
  }

  async #load(reference: string): Promise<LoadedModule> {
    const mark = this.#cache.mark();
    const loaded = await this.#loader.load(await this.#find(reference));
    this.#cache.put(reference, loaded, mark);
    return loaded;
  }

  #checkOpen(): void {
    if (!this.#closed) return;
    throw new CaissonError('SANDBOX_CLOSED', {
      layer: 'modules',
      message: 'this registry of modules is closed',
      hint: 'open another one',
    });
  }
}

function openStore(
  { stateDirectory }: ModulesSetup,
  { path: named, workspace }: ModulesOptions,
  policy: Policy,
): ModuleStore {
  const path = named ?? SqliteModuleStore.fileIn(openStateDirectory(stateDirectory));
  checkOutOfReach(path, policy, workspace);
  return SqliteModuleStore.open(path);
}
