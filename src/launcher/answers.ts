/**
 * Requests under one number, each with one answer: they are answered in the order in which they were sent.
 */
import type { Channel, Connection } from './channel.ts';
import { launcherError } from './launcher-error.ts';
import { malformed } from './protocol/fields.ts';
import { frameType } from './protocol/frame.ts';

interface Asked {
  answer(type: number, body: Buffer): void;
  reject(error: unknown): void;
}

export class Answers implements Channel {
  readonly #connection: Connection;
  readonly #id: number;
  readonly #asked: Asked[] = [];

  constructor(connection: Connection, id: number) {
    this.#connection = connection;
    this.#id = id;
  }

  next<T>(expected: number, decode: (body: Buffer) => T): Promise<T> {
    this.#connection.hold();
    return new Promise((resolve, reject) => {
      this.#asked.push({
        answer(type, body) {
          if (type === frameType.ERROR) throw launcherError(body);
          if (type !== expected) throw malformed(`frame ${type} came where ${expected} was due`);
          resolve(decode(body));
        },
        reject,
      });
    });
  }

  frame(type: number, body: Buffer): void {
    const asked = this.#asked.shift();
    if (this.#asked.length === 0) this.#connection.detach(this.#id);
    if (asked === undefined) return;
    this.#connection.release();
    try {
      asked.answer(type, body);
    } catch (error) {
      asked.reject(error);
    }
  }

  gone(error: Error): void {
    this.#connection.detach(this.#id);
    for (const asked of this.#asked.splice(0)) {
      this.#connection.release();
      asked.reject(error);
    }
  }
}
