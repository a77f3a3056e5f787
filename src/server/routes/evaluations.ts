/** Sources that are evaluated at once. */
import type { FastifyInstance } from 'fastify';
import { evaluationToWire } from '../../api/evaluation.ts';
import { evaluateSource } from '../../api/modules.ts';
import { valueFromWire } from '../../api/value.ts';
import type { EvalLanguage } from '../../functions/eval-source.ts';
import type { ProgramSource } from '../../sandbox/program.ts';
import { implement } from '../http/implement.ts';
import type { Service } from '../service.ts';
import { argumentsOf } from './modules.ts';

const ENGINES = ['javascript', 'typescript', 'wasm'] as const;

export function serveEvaluations(app: FastifyInstance, service: Service): void {
  const { caisson, places } = service;
  implement(app, evaluateSource, async ({ body, caller, signal }) => {
    const policy = await places.policy(caller, body);
    const { language, encoding = 'json', export: name, keep, compileOnly } = body;
    const { memoryBytes, cpuMs, timeoutMs } = body;
    const source: ProgramSource =
      language === 'wasm' && typeof body.source === 'string'
        ? Buffer.from(body.source, 'base64')
        : (body.source as ProgramSource);
    const options = {
      ...places.place(caller, body, policy),
      signal,
      ...(name === undefined ? {} : { export: name }),
      ...(keep === undefined ? {} : { keep }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(cpuMs === undefined ? {} : { cpuMs }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(compileOnly === true ? { compileOnly } : {}),
    };
    const args = argumentsOf(valueFromWire(body.args, encoding));
    const input = valueFromWire(body.input, encoding);
    const engine = ENGINES.find((each) => each === language);
    const evaluation =
      args !== undefined && engine !== undefined
        ? await caisson.evaluate(engine, source, { ...options, args })
        : await caisson.eval(language as EvalLanguage, source, {
            ...options,
            ...(input === undefined ? {} : { input }),
          });
    return evaluationToWire(evaluation, encoding);
  });
}
