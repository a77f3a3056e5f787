/** Sources that are evaluated at once. */
import type { FastifyInstance } from 'fastify';
import { evaluationToWire } from '../../api/evaluation.ts';
import { evaluateSource } from '../../api/modules.ts';
import type { BodyOf } from '../../api/route.ts';
import { requireSized, valueFromWire } from '../../api/value.ts';
import type { WasmOptions } from '../../backends/program.ts';
import type { EvalLanguage } from '../../functions/eval-source.ts';
import type { ProgramSource } from '../../sandbox/program.ts';
import { implement } from '../http/implement.ts';
import type { Service } from '../service.ts';
import { argumentsOf } from './modules.ts';

const ENGINES = ['javascript', 'typescript', 'wasm'] as const;

export function serveEvaluations(app: FastifyInstance, service: Service): void {
  const { caisson, places } = service;
  const { executions } = service.security.quotas;
  implement(app, evaluateSource, async ({ body, caller, signal }) => {
    const policy = await places.policy(caller, body);
    const { language, encoding = 'json', export: name, keep, compileOnly } = body;
    const { memoryBytes, cpuMs, timeoutMs, stdinBase64, words, env } = body;
    const source = sourceOf(body.source, language === 'wasm');
    const args = argumentsOf(valueFromWire(body.args, encoding));
    const input = valueFromWire(body.input, encoding);
    const engine = ENGINES.find((each) => each === language);
    // Other languages read it as JSON.
    if (engine === undefined) requireSized(input);
    const workspace = await places.workspace(caller, body);
    // What is evaluated has no network that a secret could go to.
    const { secrets: _, ...place } = places.place(caller, body, policy, workspace);
    const options = {
      ...place,
      signal,
      ...(name === undefined ? {} : { export: name }),
      ...(keep === undefined ? {} : { keep }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(cpuMs === undefined ? {} : { cpuMs }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(compileOnly === undefined ? {} : { compileOnly }),
      ...(body.wasm === undefined ? {} : { wasm: wasmOf(body.wasm) }),
    };
    try {
      const evaluation = await executions.during(caller.tenant, signal, () =>
        args !== undefined && engine !== undefined
          ? caisson.evaluate(engine, source, { ...options, args })
          : caisson.eval(language as EvalLanguage, source, {
              ...options,
              ...(input === undefined ? {} : { input }),
              ...(stdinBase64 === undefined ? {} : { stdin: Buffer.from(stdinBase64, 'base64') }),
              ...(words === undefined ? {} : { words }),
              ...(env === undefined ? {} : { env }),
            }),
      );
      return evaluationToWire(evaluation, encoding);
    } finally {
      await workspace?.release();
    }
  });
}

/** @param isBase64 a text stands for bytes */
function sourceOf(
  source: BodyOf<typeof evaluateSource>['source'],
  isBase64: boolean,
): ProgramSource {
  if (typeof source === 'string') return isBase64 ? Buffer.from(source, 'base64') : source;
  const { files, entry, imports, libraries } = source;
  return {
    entry,
    files: Object.fromEntries(
      Object.entries(files).map(([path, file]) => [
        path,
        typeof file === 'string' ? file : Buffer.from(file.base64, 'base64'),
      ]),
    ),
    ...(imports === undefined ? {} : { imports }),
    ...(libraries === undefined ? {} : { libraries }),
  };
}

function wasmOf(wasm: NonNullable<BodyOf<typeof evaluateSource>['wasm']>): WasmOptions {
  const { args, env, stdinBase64, fuel, deterministic, certificateBase64 } = wasm;
  return {
    ...(args === undefined ? {} : { args }),
    ...(env === undefined ? {} : { env }),
    ...(stdinBase64 === undefined ? {} : { stdin: Buffer.from(stdinBase64, 'base64') }),
    ...(fuel === undefined ? {} : { fuel: BigInt(fuel) }),
    ...(deterministic === undefined ? {} : { deterministic }),
    ...(certificateBase64 === undefined
      ? {}
      : { certificate: Buffer.from(certificateBase64, 'base64') }),
  };
}
