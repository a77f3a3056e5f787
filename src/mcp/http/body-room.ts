/**
 * Room for messages that are being read, for each subject by itself: many long ones that are sent slowly would fill the
 * memory of everybody's server. The beginning of a message is not counted, so that short ones always have room.
 */

/** Four of the longest. */
export const ROOM_BYTES = 16 * 1024 * 1024;
const FREE_BYTES = 64 * 1024;

export class BodyRoom {
  readonly #used = new Map<string, number>();

  /** Disposed of once the message is read, or given up. */
  open(subject: string): BodyShare {
    let own = 0;
    return {
      grow: (length) => {
        const counted = Math.max(0, length - FREE_BYTES);
        const others = (this.#used.get(subject) ?? 0) - own;
        if (others + counted > ROOM_BYTES) return false;
        own = counted;
        this.#used.set(subject, others + own);
        return true;
      },
      [Symbol.dispose]: () => {
        const left = (this.#used.get(subject) ?? 0) - own;
        own = 0;
        if (left > 0) this.#used.set(subject, left);
        else this.#used.delete(subject);
      },
    };
  }
}

export interface BodyShare extends Disposable {
  /** @param length of what was read so far @returns false where there is no room for it */
  grow(length: number): boolean;
}
