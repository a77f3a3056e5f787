/**
 * Whether code can be executed at all, found out without executing any of it: a script or module by compiling it in a
 * host process, a WebAssembly module by its own description first.
 */

import type { Program } from '../backends/program.ts';
import { WASI_MODULE, wasiSignatures } from '../backends/wasm/wasi/signatures.ts';
import { CaissonError } from '../core/error.ts';
import type { Evaluation } from '../sandbox/evaluation.ts';
import { type EngineLanguage, programOf } from '../sandbox/program.ts';
import type { ModuleManifest, ModuleRecord } from '../store/module-record.ts';
import { checkImports } from '../wasm/check-imports.ts';
import { decode } from '../wasm/decode.ts';
import { inspect } from '../wasm/inspect.ts';

/** A module has a program of its own, also where another one has the same code: they share no context. */
export function programOfModule(
  { id, version, kind, language }: ModuleManifest,
  code: Uint8Array,
): Program {
  const written: EngineLanguage = kind === 'wasm' ? 'wasm' : (language ?? 'javascript');
  const suffix = { javascript: 'js', typescript: 'ts', wasm: 'wasm' }[written];
  const entry = `${id}@${version}.${suffix}`;
  const source = written === 'wasm' ? code : Buffer.from(code).toString();
  return programOf({ files: { [entry]: source }, entry }, written);
}

/**
 * @param compile compiles and runs nothing
 * @returns what a WebAssembly module imports and exports
 * @throws MODULE_CODE_INVALID, WASM_MALFORMED, WASM_TOO_LARGE, WASM_REFUSED, WASM_IMPORTS_UNKNOWN
 */
export async function checkCode(
  manifest: ModuleManifest,
  code: Uint8Array,
  compile: (program: Program) => Promise<Evaluation>,
): Promise<ModuleRecord['interface']> {
  if (manifest.kind === 'command') return undefined;
  const described = manifest.kind === 'wasm' ? describeWasm(code, manifest.export) : undefined;
  const evaluation = await compile(programOfModule(manifest, code));
  if (evaluation.kind === 'exited' && evaluation.code === 0) return described;
  throw doesNotCompile(evaluation);
}

function describeWasm(code: Uint8Array, wanted: string): ModuleRecord['interface'] {
  const module = decode(code);
  checkImports(
    module,
    (from, name, kind) =>
      from === WASI_MODULE && kind === 'function' && Object.hasOwn(wasiSignatures, name),
  );
  const { imports, exports } = inspect(module);
  const functions = exports.filter(({ kind }) => kind === 'function').map(({ name }) => name);
  const isCommand = wanted === 'default' && functions.includes('_start');
  if (!isCommand && !functions.includes(wanted)) {
    throw new CaissonError('MODULE_CODE_INVALID', {
      layer: 'modules',
      message: `the module exports no function ${JSON.stringify(wanted)}`,
      hint: `name one with \`export\`; it exports ${
        functions
          .slice(0, 20)
          .map((name) => JSON.stringify(name))
          .join(', ') || 'none'
      }`,
    });
  }
  return {
    imports: imports.map(({ module: from, name, kind, type }) => ({
      name: `${from}.${name}`,
      kind,
      type,
    })),
    exports: exports.map(({ name, kind, type }) => ({ name, kind, type })),
  };
}

/** The message and the hint hold words of the code's: nothing of them may steer a terminal. `details` has them as they are. */
function doesNotCompile({ kind, error }: Evaluation): CaissonError {
  const { position } = error ?? {};
  const where =
    position === undefined ? '' : `${position.file}:${position.line}:${position.column}: `;
  const what = error === undefined ? `compiling it ended with ${kind}` : error.message;
  return new CaissonError('MODULE_CODE_INVALID', {
    layer: 'modules',
    message: printable(`the code does not compile: ${where}${what}`),
    ...(position === undefined ? {} : { hint: printable(position.excerpt) }),
    details: {
      ...(error === undefined ? { kind } : { name: error.name }),
      ...(position === undefined ? {} : { position }),
    },
  });
}

function printable(text: string): string {
  return text.replaceAll(/(?!\n)\p{C}/gu, '?');
}
