/**
 * Remembers what a run was compiled to, so that the next one like it starts at once (known-run.ts).
 */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Caisson } from '../compose.ts';
import { locateLauncher } from '../launcher/locate.ts';
import { encodeJob } from '../launcher/protocol/encode-job.ts';
import { encodePlan } from '../launcher/protocol/encode-plan.ts';
import { requireEnforceable } from '../plan/accept.ts';
import { bindJob } from '../plan/bind.ts';
import { compile } from '../plan/compile.ts';
import { levels } from '../policy/levels.ts';
import { containsName, nameSet } from '../policy/name-set.ts';
import type { Policy } from '../policy/policy.ts';
import { sideChannelsOf } from '../policy/side-channels.ts';
import { takeEnvironment } from '../sandbox/caller-environment.ts';
import { PlaceFinder } from '../sandbox/place.ts';
import { callerEnvironment } from './caller-environment.ts';
import { knownWords, planKey } from './known-run.ts';
import { acceptedOf, type Place } from './place.ts';
import { type KnownPlan, PlanCache, stampOf } from './plan-cache.ts';
import type { PolicyFlagValues } from './policy-request.ts';

/** Called while the guest runs. */
export async function rememberRun(
  caisson: Caisson,
  { policy, workspace, allowUnisolated }: Place,
  flags: PolicyFlagValues,
  files: KnownPlan['files'],
): Promise<void> {
  const line = knownWords(process.argv.slice(2));
  if (line === undefined || hasToBeLookedAfter(policy)) return;
  const place = new PlaceFinder(callerEnvironment()).find(policy, workspace, line.argv[0]);
  if (place.toolchain !== undefined || place.worktree !== undefined) return;
  const compiled = compile(policy, await caisson.facts(), {
    allowUnisolated,
    ...place.compile,
  });
  if (compiled.wall !== 'process') return;
  requireEnforceable(compiled, acceptedOf(flags));

  const { pass } = compiled.job.environment;
  const { values } = takeEnvironment(callerEnvironment(), pass);
  // Only what a terminal program needs is written down: another variable may be a secret.
  const harmless = nameSet(levels.strict.document.pass);
  if (Object.keys(values).some((name) => !containsName(harmless, name))) return;
  const job = bindJob(compiled.job, {
    argv: [],
    env: values,
    stdin: 'inherit',
    stdout: 'inherit',
    stderr: 'inherit',
    ...(workspace === undefined ? {} : { workspace }),
  });
  const { path } = locateLauncher();
  const bound = job.mounts.flatMap((mount) => ('source' in mount ? [mount.source] : []));
  const named = [flags.workspace ?? '.', ...(flags.read ?? []), ...(flags.write ?? [])]
    .filter((word) => word !== 'none')
    .map((word) => resolve(word));
  new PlanCache().put(
    {
      key: planKey(line.flags),
      files,
      paths: [...named, ...bound].map((path) => ({ path, real: realpathSync.native(path) })),
      pass,
      environment: values,
      launcher: { path, stamp: stampOf(path) },
      ...(workspace === undefined ? {} : { workspace }),
    },
    encodePlan(compiled.kind, encodeJob(job)),
  );
}

/** Changes that are kept, paths that are protected, limits and times that the launcher alone does not keep. */
function hasToBeLookedAfter(policy: Policy): boolean {
  const { workspace, protect, limits, network, admission } = policy;
  return (
    admission !== undefined ||
    sideChannelsOf(policy).resultGridMs > 0 ||
    network.mode === 'filtered' ||
    network.mode === 'internal' ||
    workspace.mode === 'overlay' ||
    workspace.mode === 'staged' ||
    protect.length > 0 ||
    limits.cpuMs !== null ||
    limits.onOutputLimit === 'kill'
  );
}
