/** A sandbox stands still while anything of it is copied, however many ask for that at once, and as its caller wants. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Standing } from '../../src/sandbox/standing.ts';

/** Whether it stands, as whoever is told sees it. */
class Guest {
  stands = false;
  fails = false;
  readonly standing = new Standing(async (frozen) => {
    await sleep(1);
    this.stands = frozen; // a part of it, where the rest does not come to stand
    if (frozen && this.fails) throw new Error('it does not come to stand');
  });

  /** Looks again and again, as a copy of many files would. */
  copy(): Promise<void> {
    return this.standing.during(async () => {
      for (let file = 0; file < 5; file++) {
        assert.ok(this.stands, 'a file is copied while the guest writes');
        await sleep(1);
      }
    });
  }
}

test('copies at once: it stands until the end of each, and goes on after the last', async () => {
  const guest = new Guest();
  await Promise.all([guest.copy(), guest.copy(), guest.copy()]);
  assert.equal(guest.stands, false);
});

test('its caller lets it go on, or stops it, while it is copied: when that is done', async () => {
  const guest = new Guest();
  await guest.standing.freeze();
  await Promise.all([guest.copy(), guest.standing.thaw(), guest.copy()]);
  assert.equal(guest.stands, false);
  await Promise.all([guest.copy(), guest.standing.freeze(), guest.copy()]);
  assert.equal(guest.stands, true, 'a copy lets nothing go on that its caller has stopped');
});

test('a copy that fails lets it go on; one that could not stop it copies nothing', async () => {
  const guest = new Guest();
  await assert.rejects(
    guest.standing.during(() => Promise.reject(new Error('no room'))),
    /no room/,
  );
  assert.equal(guest.stands, false);
  guest.fails = true;
  await assert.rejects(guest.copy(), /does not come to stand/);
  assert.equal(guest.stands, false, 'half of it stands');
  await assert.rejects(guest.standing.freeze(), /does not come to stand/);
  assert.equal(guest.stands, false, 'half of it stands');
  guest.fails = false;
  await guest.copy();
});
