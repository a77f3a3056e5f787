/** From the bytes of a component to what can be instantiated: taken apart, each module rewritten, compiled once. */
import { CaissonError } from '../../../core/error.ts';
import { decode } from '../../../wasm/decode.ts';
import { encode } from '../../../wasm/encode.ts';
import { refused } from '../../../wasm/problem.ts';
import { rewrite } from '../../../wasm/rewrite/rewrite.ts';
import { shareCounters } from '../../../wasm/rewrite/share-counters.ts';
import type { WasmOptions } from '../../program.ts';
import { rewriteOptions } from '../compile.ts';
import { engine, type WasmModule } from '../engine.ts';
import { type Instantiate, loadGlue, refuseNames, wantedImports } from './glue.ts';
import type { Interfaces } from './preview2/component-host.ts';
import { Transpiler } from './transpiler.ts';

export interface CompiledComponent {
  readonly modules: ReadonlyMap<string, WasmModule>;
  readonly instantiate: Instantiate;
  readonly metered: boolean;
  readonly bounded: boolean;
}

const COMPILED_MAX = 32;
const MODULES_MAX = 64;
const MOST_SHOWN = 50;

export class ComponentCache {
  readonly #memoryBytes: number;
  readonly #transpiler: Transpiler | undefined;
  readonly #compiled = new Map<string, CompiledComponent>();

  /**
   * @param memoryBytes that each memory of a component may have
   * @param transpiler path of jco's compiler; without it no component is taken
   */
  constructor(memoryBytes: number, transpiler: string | undefined) {
    this.#memoryBytes = memoryBytes;
    this.#transpiler = transpiler === undefined ? undefined : new Transpiler(transpiler);
  }

  /** Makes ready what the first component needs. */
  warm(): void {
    this.#transpiler?.warm();
  }

  /**
   * @param id digest of the program
   * @param provided what it may import
   * @throws CaissonError `WASM_*`; the engine's CompileError
   */
  get(
    id: string,
    bytes: Uint8Array,
    options: WasmOptions,
    provided: Interfaces,
  ): CompiledComponent {
    const metered = options.fuel !== undefined;
    const deterministic = options.deterministic !== undefined;
    const key = `${id} ${metered} ${deterministic}`;
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const compiled = this.#compile(bytes, options, provided);
    if (this.#compiled.size >= COMPILED_MAX) {
      this.#compiled.delete(this.#compiled.keys().next().value as string);
    }
    this.#compiled.set(key, compiled);
    return compiled;
  }

  #compile(bytes: Uint8Array, options: WasmOptions, provided: Interfaces): CompiledComponent {
    if (this.#transpiler === undefined) {
      const hint = 'npm install @bytecodealliance/jco-transpile, in the version that Caisson names';
      throw refused('components need a compiler that is not installed here', hint, {});
    }
    const { modules, glue } = this.#transpiler.transpile(bytes);
    if (modules.size > MODULES_MAX) {
      const message = `the component has ${modules.size} core modules, at most ${MODULES_MAX} are taken`;
      throw refused(message, 'link them into fewer', { count: modules.size, most: MODULES_MAX });
    }
    const metered = options.fuel !== undefined;
    const rewriting = rewriteOptions(this.#memoryBytes, options);
    const compiled = new Map<string, WasmModule>();
    for (const [name, content] of modules) {
      const module = decode(content);
      refuseNames(module.imports.flatMap((each) => [each.module, each.name]));
      refuseNames(module.exports.map((each) => each.name));
      const rewritten = shareCounters(rewrite(module, rewriting));
      compiled.set(name, new engine.Module(encode(rewritten)));
    }
    const instantiate = loadGlue(glue);
    checkWanted(wantedImports(instantiate, moduleNamed(compiled)), provided);
    return {
      modules: compiled,
      instantiate,
      metered,
      bounded: rewriting.stackSlots !== undefined,
    };
  }
}

/** For the glue, which asks for its modules by name. */
export function moduleNamed(modules: CompiledComponent['modules']): (name: string) => WasmModule {
  return (name) => {
    const module = modules.get(name);
    if (module === undefined) throw new TypeError(`the component has no module ${name}`);
    return module;
  };
}

/** @throws CaissonError `WASM_IMPORTS_UNKNOWN`, all of them in the message and in `details.imports` */
function checkWanted(wanted: ReturnType<typeof wantedImports>, provided: Interfaces): void {
  const unknown = wanted.filter(({ from, name }) => {
    const found = Object.hasOwn(provided, from) ? provided[from] : undefined;
    return found === undefined || !Object.hasOwn(found, name);
  });
  if (unknown.length === 0) return;
  const shown = unknown.slice(0, MOST_SHOWN);
  const names = shown.map(({ from, name }) =>
    JSON.stringify(name === 'default' ? from : `${from}.${name}`),
  );
  const more = unknown.length > shown.length ? [`and ${unknown.length - shown.length} more`] : [];
  throw new CaissonError('WASM_IMPORTS_UNKNOWN', {
    layer: 'backends',
    message: `the component imports what nobody provides: ${[...names, ...more].join(', ')}`,
    hint: 'wasi:cli, wasi:clocks, wasi:filesystem, wasi:io and wasi:random are there; sockets and HTTP are not',
    details: { imports: shown },
  });
}
