/** A launcher with a plan without groups, and one kept sandbox of it, in the hands of a raw client. */
import assert from 'node:assert/strict';
import { encodeOpen } from '../../src/launcher/protocol/encode-job.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { frameType } from '../../src/launcher/protocol/frame.ts';
import type { Job } from '../../src/plan/plan.ts';
import { Wall, without } from '../escape/harness.ts';
import { RawClient } from './raw-client.ts';

/** Ids. */
export const PLAN = 1;
export const BOX = 2;

export class RawSandbox implements AsyncDisposable {
  readonly client: RawClient;
  /** For commands of either. */
  readonly job: Job;

  private constructor(client: RawClient, job: Job) {
    this.client = client;
    this.job = job;
  }

  static async open(): Promise<RawSandbox> {
    await using wall = await Wall.open();
    const { kind, job } = without(wall.prepare({ argv: ['/bin/sh', '-c', ':'] }), 'cgroup');
    const client = new RawClient();
    client.plan(PLAN, encodePlan(kind));
    client.send(encodeOpen(BOX, PLAN, job));
    assert.ok(await client.answer(frameType.OPENED, BOX));
    return new RawSandbox(client, job);
  }

  /** The launcher ends well. */
  async [Symbol.asyncDispose](): Promise<void> {
    assert.equal(await this.client.close(), 0);
  }
}
