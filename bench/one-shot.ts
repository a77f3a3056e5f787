/** Caisson without Node: `caisson-launcher run PLAN -- argv`, with plans of the same policy as the library's runs. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gatherFacts } from '../src/host/facts.ts';
import { LauncherClient } from '../src/launcher/client.ts';
import { locateLauncher } from '../src/launcher/locate.ts';
import { encodeJob } from '../src/launcher/protocol/encode-job.ts';
import { encodePlan } from '../src/launcher/protocol/encode-plan.ts';
import { bindJob } from '../src/plan/bind.ts';
import { compile } from '../src/plan/compile.ts';
import { policyFromDocument } from '../src/policy/parse.ts';
import { type Contestant, proofArguments } from './contestant.ts';
import { timedContestant } from './peers.ts';
import { benchPolicy } from './policy.ts';
import { NAMESPACES } from './proof.ts';
import type { Bench } from './suite.ts';
import type { Timer } from './timer.ts';

/** Without cgroups, since the peer that it is measured against has none. */
export async function openOneShot(
  name: string,
  bench: Bench,
  workspaces: readonly string[],
  timer: Timer,
): Promise<Contestant> {
  const { path: launcher } = locateLauncher();
  const plans = await writePlans(bench, launcher, workspaces);
  return timedContestant(
    name,
    timer,
    (turn) => {
      const plan = plans.get(turn.workspace) ?? '';
      return [launcher, 'run', plan, '--', bench.programs.musl, ...proofArguments(turn, '/tmp')];
    },
    { every: 1, namespaces: NAMESPACES },
  );
}

/** A plan file for each workspace, as `caisson compile` writes them. */
async function writePlans(
  bench: Bench,
  launcher: string,
  workspaces: readonly string[],
): Promise<Map<string, string>> {
  const client = new LauncherClient(launcher);
  const facts = gatherFacts(await client.probe());
  await client.close();
  const policy = policyFromDocument(benchPolicy(bench.programDirectory));
  return new Map(
    workspaces.map((workspace, index) => {
      const compiled = compile(policy, facts, { workspace });
      if (compiled.wall !== 'process') throw new Error(`compiled for the wall ${compiled.wall}`);
      const { cgroup: _, ...kind } = compiled.kind;
      const job = bindJob(compiled.job, { argv: [], env: { RUN: `plan ${index}` }, workspace });
      const file = join(bench.directory, `one-shot-${index}.plan`);
      writeFileSync(file, encodePlan(kind, encodeJob(job)));
      return [workspace, file];
    }),
  );
}
