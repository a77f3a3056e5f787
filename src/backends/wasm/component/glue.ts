/**
 * The JavaScript that jco makes of a component: loaded from its own text alone, in a scope without what Node has beyond
 * the language. It is no wall (the host process stands behind one); it keeps what goes wrong in it from going far.
 */
import { compileFunction } from 'node:vm';
import { malformed, refused } from '../../../wasm/problem.ts';
import type { WasmImports, WasmInstance, WasmModule } from '../engine.ts';
import type { Interfaces } from './preview2/component-host.ts';

/** @returns exports: functions, and objects of them for interfaces, by short and by full name */
export type Instantiate = (
  getCoreModule: (name: string) => WasmModule,
  imports: Interfaces,
  instantiateCore: (module: WasmModule, imports?: WasmImports) => WasmInstance,
) => Readonly<Record<string, unknown>>;

const HEAD = '"use components";\nexport function instantiate(';
const TAIL = '\nexport const _util = {';

/** Nothing of a component goes on after its call: what would need a turn of the event loop is not there. */
function noLater(): never {
  throw refused('the component is asynchronous', 'compile it for WASI 0.2, which is not', {});
}

const SILENT = Object.freeze({ debug() {}, error() {}, log() {}, warn() {} });
const SCOPE: Readonly<Record<string, unknown>> = {
  globalThis: Object.freeze({
    WebAssembly: (globalThis as unknown as { WebAssembly: unknown }).WebAssembly,
  }),
  console: SILENT,
  process: undefined,
  global: undefined,
  Buffer: undefined,
  fetch: undefined,
  navigator: undefined,
  queueMicrotask: noLater,
  setImmediate: noLater,
  setInterval: noLater,
  setTimeout: noLater,
};

/** Of JavaScript, as it was compiled; a component of a hundred functions has about one. */
const GLUE_MAX = 16 * 2 ** 20;

/** @throws CaissonError `WASM_MALFORMED` for a text of another shape, `WASM_REFUSED` for a longer one than is taken */
export function loadGlue(text: string): Instantiate {
  if (text.length > GLUE_MAX) {
    const message = `the component's types and functions make ${text.length} characters of code`;
    throw refused(message, `at most ${GLUE_MAX} are taken`, { most: GLUE_MAX });
  }
  const end = text.lastIndexOf(TAIL);
  if (!text.startsWith(HEAD) || end < 0) {
    throw malformed('its compiler wrote code of an unknown shape', {
      offset: 0,
      section: 'component',
    });
  }
  const body = text.slice(text.indexOf('function instantiate('), end);
  const code = `'use strict';${body}\nreturn instantiate;`;
  const load = compileFunction(code, Object.keys(SCOPE), { filename: 'component.js' });
  return load(...Object.values(SCOPE)) as Instantiate;
}

/** @throws CaissonError `WASM_REFUSED` for a promise */
export function settled<T>(value: T): T {
  if (value instanceof Promise) {
    value.catch(() => {});
    noLater();
  }
  return value;
}

/** Nothing that could end a string in JavaScript, or break a line. */
const PLAIN = /^[^\p{Cc}'"`\\\u2028\u2029]*$/u;

/**
 * Names of a guest's choice stand in the glue: what could be more than a name there is not let through.
 *
 * @throws CaissonError `WASM_REFUSED`
 */
export function refuseNames(names: Iterable<string>): void {
  for (const name of names) {
    if (PLAIN.test(name)) continue;
    const shown = JSON.stringify(name.slice(0, 60));
    const hint = 'leave quotes, backslashes and control characters out of it';
    throw refused(`the component has the name ${shown}`, hint, { name: name.slice(0, 60) });
  }
}

/** What the glue takes from its imports, found by having it do so: it reads them before it makes its first instance. */
export function wantedImports(
  instantiate: Instantiate,
  getCoreModule: (name: string) => WasmModule,
): { readonly from: string; readonly name: string }[] {
  const wanted: { from: string; name: string }[] = [];
  const enough = new Error('all imports are read');
  const placeholder = class {};
  const imports = new Proxy({} as Interfaces, {
    get: (_, from) =>
      new Proxy(
        {},
        {
          get: (__, name) => {
            wanted.push({ from: String(from), name: String(name) });
            return placeholder;
          },
        },
      ),
  });
  try {
    instantiate(getCoreModule, imports, () => {
      throw enough;
    });
  } catch (thrown) {
    if (thrown !== enough) throw thrown;
  }
  return wanted;
}
