/** Caisson through its library, with every layer on: the contestants that use it. */
import { type Caisson, type Policy, policyFromDocument } from '../src/index.ts';
import { type Contestant, proofArguments, type Ran, type Turn } from './contestant.ts';
import { benchPolicy } from './policy.ts';
import { assertIsolated, NAMESPACES, type NamespaceName } from './proof.ts';

/**
 * One run, timed from the call until its outcome is there.
 * @throws Error when the guest did not exit with 0.
 */
export async function runOnce(
  caisson: Caisson,
  policy: Policy,
  program: string,
  turn: Turn,
  /** Whose emptied network namespaces are used again. */
  tenant?: string,
): Promise<Ran> {
  const start = performance.now();
  const outcome = await caisson.run([program, ...proofArguments(turn, '/tmp')], {
    policy,
    workspace: turn.workspace,
    env: { RUN: turn.tag },
    ...(tenant === undefined ? {} : { tenant, recycleNetwork: true }),
    ...(turn.proof ? { input: turn.tag } : {}),
  });
  const ms = performance.now() - start;
  if (outcome.kind !== 'exited' || outcome.code !== 0)
    throw new Error(`Caisson: ${outcome.kind} ${outcome.code}: ${outcome.stderr.text}`);
  return { ms, stdout: outcome.stdout.text };
}

/** Checks proof turns: the layers are there, nothing is shared with an earlier run, and it is this run's own job. */
export class ProofChecker {
  readonly #seen = new Set<string>();
  readonly #name: string;
  readonly #reusable: readonly NamespaceName[];
  #checked = 0;

  /** `reusable`: namespaces that may be met again (a network namespace that is recycled). */
  constructor(name: string, reusable: readonly NamespaceName[] = []) {
    this.#name = name;
    this.#reusable = reusable;
  }

  get checked(): number {
    return this.#checked;
  }

  check(stdout: string, turn: Turn): void {
    const proof = assertIsolated(this.#name, stdout);
    for (const kind of NAMESPACES) {
      const id = proof.get(`id.${kind}`);
      if (id === undefined || id === '0' || this.#reusable.includes(kind)) continue;
      if (this.#seen.has(id)) throw new Error(`${this.#name}: a ${kind} namespace was met twice`);
      this.#seen.add(id);
    }
    const own = proof.get('env.RUN') === turn.tag && proof.get('input') === turn.tag;
    if (!own) throw new Error(`${this.#name}: not this run's environment and input:\n${stdout}`);
    this.#checked++;
  }
}

/** Runs out of slots that are refilled while nobody waits. */
export function slotted(
  name: string,
  caisson: Caisson,
  policy: Policy,
  program: string,
): Contestant & { readonly proofs: ProofChecker } {
  const proofs = new ProofChecker(name);
  return {
    name,
    every: 1,
    proofs,
    run: (turn) => runOnce(caisson, policy, program, turn),
    verify: (stdout, turn) => proofs.check(stdout, turn),
  };
}

/** The first use of a plan: another policy each time, parsed beforehand, nothing prepared. */
export function firstUse(
  name: string,
  caisson: Caisson,
  programDirectory: string,
  program: string,
  every: number,
): Contestant {
  const proofs = new ProofChecker(name);
  let uses = 0;
  return {
    name,
    every,
    async run(turn) {
      const hostname = `first-${++uses}`;
      const unseen = policyFromDocument({ ...benchPolicy(programDirectory), hostname });
      return await runOnce(caisson, unseen, program, turn);
    },
    verify: (stdout, turn) => proofs.check(stdout, turn),
  };
}
