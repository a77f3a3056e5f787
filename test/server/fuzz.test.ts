/** A bounded run of the fuzzer; `npm run fuzz` goes on for longer, with other seeds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzService } from '../../fuzz/service/run.ts';
import { NothingLeft } from '../nothing-left.ts';

test('every answer to what is sent is one that the contract promises, and nothing is left', async () => {
  const left = new NothingLeft();
  const report = await fuzzService({
    seed: 20_261,
    seconds: 15,
    requests: 2000,
    onOpen: () => left.note(),
  });
  assert.deepEqual(
    report.findings.map(({ operation, what, request, answer }) => ({
      operation,
      what,
      request,
      answer,
    })),
    [],
  );
  // It is no use where everything is refused at the door.
  assert.ok(report.succeeded.length >= 10, `${report.succeeded}`);
  assert.ok((await left.check()) >= 1);
});
