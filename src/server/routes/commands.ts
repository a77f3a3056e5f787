/** Commands: one in a sandbox of its own, or in one that is kept. */
import type { FastifyInstance } from 'fastify';
import { outcomeToWire } from '../../api/outcome.ts';
import { execInSandbox, runCommand } from '../../api/sandboxes.ts';
import { CaissonError } from '../../core/error.ts';
import type { ExecOptions } from '../../sandbox/exec-options.ts';
import { implement } from '../http/implement.ts';
import { outputBytesOf } from '../output-room.ts';
import type { Service } from '../service.ts';
import { managedOf } from './sandboxes.ts';

/** Nobody who asks a service has a name for them afterwards, and they would fill its disk beside every quota. */
export const GO_WITH_RUN = { pending: 'discard' } as const;

export function serveCommands(app: FastifyInstance, service: Service): void {
  const { manager, sandboxes, places, output } = service;

  implement(app, runCommand, async ({ body, caller, signal }) => {
    const policy = await places.policy(caller, body);
    const workspace = await places.workspace(caller, body);
    try {
      const outcome = await manager.run(body.argv, {
        ...places.place(caller, body, policy, workspace),
        ...managedOf(body),
        ...execOf(body),
        ...GO_WITH_RUN,
        signal,
      });
      return outcomeToWire(outcome);
    } finally {
      await workspace?.release();
    }
  });

  implement(app, execInSandbox, async ({ params, body, caller, signal }) => {
    const sandbox = sandboxes.get(caller.tenant, params.id);
    const options = { ...execOf(body), signal };
    const { policy } = sandboxes.about(sandbox);
    const outcome = await output.during(
      caller.tenant,
      outputBytesOf(policy.limits.outputBytes),
      signal,
      () => sandbox.exec(body.argv, options),
    );
    return outcomeToWire(outcome);
  });
}

/** @throws REQUEST_INVALID for input that is given twice */
export function execOf(body: {
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly timeoutMs?: number | undefined;
  readonly input?: string | undefined;
  readonly inputBase64?: string | undefined;
}): Omit<ExecOptions, 'signal'> {
  const { cwd, env, timeoutMs, input, inputBase64 } = body;
  if (input !== undefined && inputBase64 !== undefined) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'server',
      message: 'both input and inputBase64 are given',
      hint: 'text goes into input, bytes into inputBase64',
    });
  }
  const bytes = inputBase64 === undefined ? input : Buffer.from(inputBase64, 'base64');
  return {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(bytes === undefined ? {} : { input: bytes }),
  };
}
