/** Sources as a service takes them: bytes as base64. */

import type { evaluateSource } from '../api/modules.ts';
import type { BodyInputOf } from '../api/route.ts';
import type { WasmOptions } from '../backends/program.ts';
import { CaissonError } from '../core/error.ts';
import type { ProgramSource } from '../sandbox/program.ts';
import { requireSource } from '../sandbox/require-source.ts';

type Body = BodyInputOf<typeof evaluateSource>;

/** @throws REQUEST_INVALID */
export function sourceToWire(source: ProgramSource): Body['source'] {
  requireSource(source, 'client');
  if (typeof source === 'string') return source;
  if (source instanceof Uint8Array) return base64(source);
  const { files, entry, imports, libraries } = source;
  return {
    entry,
    files: Object.fromEntries(
      Object.entries(files).map(([path, file]) => [
        path,
        typeof file === 'string' ? file : { base64: base64(file) },
      ]),
    ),
    ...(imports === undefined ? {} : { imports: { ...imports } }),
    ...(libraries === undefined ? {} : { libraries: libraries.map((each) => ({ ...each })) }),
  };
}

/** @throws REQUEST_INVALID for directories of this machine */
export function wasmToWire(wasm: WasmOptions): NonNullable<Body['wasm']> {
  const { args, env, stdin, preopens, fuel, deterministic, certificate } = wasm;
  if (preopens !== undefined) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'client',
      message: 'directories of this machine cannot be opened for a module of a service',
      hint: 'hand in what it needs as arguments or stdin',
    });
  }
  return {
    ...(args === undefined ? {} : { args: [...args] }),
    ...(env === undefined ? {} : { env }),
    ...(stdin === undefined ? {} : { stdinBase64: base64(stdin) }),
    ...(fuel === undefined ? {} : { fuel: fuel.toString() }),
    ...(deterministic === undefined ? {} : { deterministic }),
    ...(certificate === undefined ? {} : { certificateBase64: base64(certificate) }),
  };
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
