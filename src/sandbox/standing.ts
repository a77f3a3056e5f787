/** Whether a sandbox stands still: as long as its caller wants that, and while what it changed is copied. One after the other. */
export class Standing {
  readonly #set: (frozen: boolean) => Promise<void>;
  #byCaller = false;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param set settles once everything stands, or goes on */
  constructor(set: (frozen: boolean) => Promise<void>) {
    this.#set = set;
  }

  freeze(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#stand();
      this.#byCaller = true;
    });
  }

  thaw(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#set(false);
      this.#byCaller = false;
    });
  }

  /** Nothing lets it go on before the work is done; after it, it goes on unless its caller has frozen it. */
  during<T>(work: () => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      if (this.#byCaller) return await work();
      await this.#stand();
      try {
        return await work();
      } finally {
        await this.#set(false);
      }
    });
  }

  /** What did not come to stand goes on: a part of it may stand already. */
  async #stand(): Promise<void> {
    try {
      await this.#set(true);
    } catch (error) {
      if (!this.#byCaller) await this.#set(false).catch(() => {});
      throw error;
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}
