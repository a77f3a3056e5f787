/**
 * `caisson compile POLICY -o FILE`: the plan as bytes, for `caisson-launcher run FILE -- COMMAND`. What the run would
 * take from its caller (workspace, environment) is fixed now.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Caisson } from '../../compose.ts';
import { CaissonError } from '../../core/error.ts';
import { locateLauncher } from '../../launcher/locate.ts';
import { encodeJob } from '../../launcher/protocol/encode-job.ts';
import { encodePlan } from '../../launcher/protocol/encode-plan.ts';
import { requireEnforceable } from '../../plan/accept.ts';
import { bindJob } from '../../plan/bind.ts';
import { compile } from '../../plan/compile.ts';
import type { Policy } from '../../policy/policy.ts';
import { sideChannelsOf } from '../../policy/side-channels.ts';
import { PlaceFinder } from '../../sandbox/place.ts';
import { protectionOf, unprotected } from '../../sandbox/protect.ts';
import { callerEnvironment } from '../caller-environment.ts';
import type { Action, Flag } from '../command.ts';
import { environmentOf } from '../environment.ts';
import type { RunFlags } from '../flags.ts';
import { acceptedOf, placeOf } from '../place.ts';
import { quoteForShell } from '../report-error.ts';

type CompileFlags = Omit<RunFlags, 'tty' | 'ask' | 'audit' | 'publish' | 'telemetry'> & {
  readonly out: Flag & { readonly value: 'FILE' };
};

export const action: Action<CompileFlags> = async ({ flags, positionals: [file] }) => {
  const out = flags.out;
  if (out === undefined) {
    throw invalid('compile needs a file to write', 'caisson compile policy.yaml -o policy.plan');
  }
  const set = environmentOf(flags);
  const { policy, workspace, allowUnisolated } = await placeOf(flags, file);
  refuseWhatIsLookedAfter(policy);
  await using caisson = await Caisson.open();
  const accept = acceptedOf(flags);
  const protection =
    workspace === undefined ? undefined : await protectionOf(policy.protect, workspace);
  const open = protection === undefined ? undefined : unprotected(protection);
  const compiled = compile(policy, await caisson.facts(), {
    allowUnisolated,
    ...new PlaceFinder(process.env).find(policy, workspace, undefined).compile,
    ...(open === undefined ? {} : { unenforceable: [open] }),
  });
  const accepted = requireEnforceable(compiled, accept);
  if (compiled.wall !== 'process') {
    throw invalid(
      `a plan file is for the process wall, and the policy runs behind the wall ${compiled.wall}`,
      'choose --level moderate or strict',
    );
  }
  const job = bindJob(compiled.job, {
    argv: [],
    env: callerEnvironment(),
    set,
    stdin: 'inherit',
    stdout: 'inherit',
    stderr: 'inherit',
    ...(workspace === undefined ? {} : { workspace }),
    ...(protection === undefined ? {} : { protect: protection }),
    ...(flags.cwd === undefined ? {} : { cwd: resolve(workspace ?? '/', flags.cwd) }),
  });
  const bytes = encodePlan(compiled.kind, encodeJob(job));
  writeWhole(out, bytes);
  const { digest } = await caisson.policy(policy);
  const command = [locateLauncher().path, 'run', out, '--'].map(quoteForShell).join(' ');
  return {
    exit: 0,
    document: { file: out, bytes: bytes.length, policyDigest: digest, accepted, command },
    notes: [`wrote ${out}; it runs without Node:`, `  ${command} COMMAND [ARGUMENT…]`],
  };
};

/** Its changes, and its network, would have nobody to look after them. */
function refuseWhatIsLookedAfter(policy: Policy): void {
  if (policy.admission !== undefined) {
    throw invalid(
      'the policy asks for a look at code before it runs, and a plan file runs without anybody who looks',
      'leave `admission` out, and check the command with caisson scan',
    );
  }
  if (policy.network.mode === 'filtered' || policy.network.mode === 'internal') {
    throw invalid(
      'a plan file has no proxy to decide what its guest may reach',
      'write network: none or full in the policy, or use caisson run',
    );
  }
  if (sideChannelsOf(policy).resultGridMs > 0) {
    throw invalid(
      'a plan file has nobody to hold results back until the next line of a time grid',
      'take sideChannels.resultGrid out of the policy, or use caisson run',
    );
  }
  if (policy.workspace.mode !== 'overlay' && policy.workspace.mode !== 'staged') return;
  throw invalid(
    'a plan file cannot keep changes of the workspace aside',
    'write workspace: direct in the policy, or use caisson run',
  );
}

/** 0600: the values of variables are in it. */
function writeWhole(path: string, bytes: Uint8Array): void {
  const part = `${path}.${process.pid}.part`;
  try {
    writeFileSync(part, bytes, { mode: 0o600, flag: 'wx' });
    renameSync(part, path);
  } catch (cause) {
    rmSync(part, { force: true });
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: `${path} cannot be written`,
      hint: 'name a place where you may write',
      cause,
    });
  }
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
