/**
 * Requests that passed the checks and have not ended: bodies on their way, answers that come slowly, tunnels that a
 * request has opened. When the policy changes each is held against it again.
 */

export interface RequestUnderWay {
  /** Checked again; reports a refusal. @returns whether it may go on */
  readonly recheck: () => boolean;
  readonly end: () => void;
}

export class UnderWay {
  readonly #requests = new Set<RequestUnderWay>();

  /** @returns what is called when it has ended */
  add(request: RequestUnderWay): () => void {
    this.#requests.add(request);
    return () => this.#requests.delete(request);
  }

  recheck(): void {
    for (const request of [...this.#requests]) if (!request.recheck()) request.end();
  }
}
