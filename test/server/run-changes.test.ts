/** What runs change in an overlay does not stay in the service, however they are asked for and whatever they make. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../until.ts';
import { GuestSocket } from './guest-socket.ts';
import { type Served, served } from './served.ts';

const DEEP =
  'n=$(printf "%0200d" 0); i=0; while [ $i -lt 60 ]; do mkdir $n && cd -P $n 2>/dev/null || break; i=$((i+1)); done';

describe('changes of a run', () => {
  let service: Served;
  let key: string;
  before(async () => {
    service = await served({ audit: { enabled: false } });
    key = await service.key('developer');
  });
  after(() => service[Symbol.asyncDispose]());

  const policy = { level: 'moderate', filesystem: { workspace: 'overlay' } };
  const body = { policy, workspace: 'private', argv: ['sh', '-c', 'echo x > made'] };
  const nothingLeft = async (): Promise<void> => {
    const left = () =>
      ['overlays', 'workspaces'].flatMap((name) => readdirSync(join(service.state, name)));
    await until(
      () => `nothing is left: ${left()}`,
      () => left().length === 0,
    );
  };
  interface Changed {
    readonly kind: string;
    readonly changes: { readonly pending?: string; readonly kept: number; readonly reason: string };
  }
  const check = ({ kind, changes }: Changed): void => {
    assert.equal(kind, 'exited');
    assert.deepEqual([changes.pending, changes.kept], [undefined, 1]);
    assert.match(changes.reason, /go with it/);
  };

  test('are gone when it is answered', async () => {
    const { body: outcome } = await service.ask('POST', '/api/runs', { key, body });
    check(outcome as Changed);
    assert.deepEqual(readdirSync(join(service.state, 'overlays')), []);
    await nothingLeft();
  });

  test('are gone when its events have ended', async () => {
    const { text } = await service.ask('POST', '/api/runs/stream', { key, body });
    check(JSON.parse(/event: outcome\ndata: (.*)/.exec(text)?.[1] ?? '{}') as Changed);
    await nothingLeft();
  });

  test('are gone with its connection, and where it goes on without one', async () => {
    const guest = await GuestSocket.open(service.address, '/api/runs/spawn', key);
    guest.say(body);
    check((await guest.event('outcome')).outcome as Changed);
    await nothingLeft();
    const detached = await GuestSocket.open(service.address, '/api/runs/spawn', key);
    detached.say({ ...body, argv: ['sh', '-c', 'echo x > made; sleep 0.5'], detach: true });
    await detached.event('started');
    detached.socket.terminate();
    await nothingLeft();
  });

  test('that cannot be listed are gone too, and its outcome is told', async () => {
    const deep = { ...body, argv: ['sh', '-c', DEEP] };
    const { status, text } = await service.ask('POST', '/api/runs', { key, body: deep });
    assert.equal(status, 200, text);
    const { kind, changes } = JSON.parse(text) as Changed;
    assert.equal(kind, 'exited');
    assert.match(changes.reason, /4096 bytes/);
    await nothingLeft();
  });
});
