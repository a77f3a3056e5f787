/**
 * What is compared, and the loop that compares: all contestants take turns in one run, so that whatever disturbs the
 * machine disturbs all of them; the order rotates, so that nobody always follows the same neighbour.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** What is different in each run. */
export interface Turn {
  readonly round: number;
  /** A directory that the run works in; another one for neighbouring rounds. */
  readonly workspace: string;
  /** Value of the environment variable RUN. */
  readonly tag: string;
  /** Whether this run prints its surroundings (programs/true.c) for the proof. */
  readonly proof: boolean;
}

/** What programs/true.c is called with: nothing, or the request for proof. */
export function proofArguments(turn: Turn, scratch: string): string[] {
  return turn.proof ? ['proof', scratch] : [];
}

export interface Ran {
  readonly ms: number;
  readonly stdout: string;
}

export interface Contestant {
  readonly name: string;
  /** Takes part in every n-th round: slow peers get fewer samples, so that the whole stays short. */
  readonly every: number;
  run(turn: Turn): Promise<Ran>;
  /** Called with the output of proof turns; throws when the isolation was not there. */
  verify?(stdout: string, turn: Turn): void;
  close?(): Promise<void>;
}

/** A peer that cannot take part on this machine. */
export interface Absent {
  readonly name: string;
  readonly reason: string;
}

export interface LoopOptions {
  readonly rounds: number;
  readonly warmUp: number;
  /** Milliseconds of rest before each run. */
  readonly restMs: number;
  readonly turn: (round: number) => Turn;
}

/** Milliseconds of every run, by contestant. */
export async function takeTurns(
  contestants: readonly Contestant[],
  options: LoopOptions,
): Promise<Map<string, number[]>> {
  const samples = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  for (let round = -options.warmUp; round < options.rounds; round++) {
    const turn = options.turn(round);
    const due = contestants.filter(({ every }) => round < 0 || round % every === 0);
    const first = (round + options.warmUp) % due.length;
    for (const contestant of [...due.slice(first), ...due.slice(0, first)]) {
      await sleep(options.restMs);
      const { ms, stdout } = await contestant.run(turn);
      if (turn.proof) contestant.verify?.(stdout, turn);
      if (round >= 0) samples.get(contestant.name)?.push(ms);
    }
  }
  return samples;
}
