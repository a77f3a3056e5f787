/** Places in a trace, as text from anybody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatTraceContext,
  parseTraceContext,
} from '../../../src/observe/telemetry/trace-parent.ts';

const id = '4bf92f3577b34da6a3ce929d0e0e4736';
const span = '00f067aa0ba902b7';

test('what is well formed is taken, and given back the same', () => {
  for (const context of [
    { traceparent: `00-${id}-${span}-01` },
    { traceparent: `00-${id}-${span}-00`, tracestate: 'a=1,b=2' },
  ]) {
    const parsed = parseTraceContext(context);
    assert.ok(parsed?.isRemote === true);
    assert.deepEqual(formatTraceContext(parsed), context);
  }
  // A later version may say more; of its flags one is known.
  const later = parseTraceContext({ traceparent: `01-${id}-${span}-ff-more` });
  assert.equal(later?.traceFlags, 1);
});

test('anything else begins a trace anew', () => {
  for (const traceparent of [
    '',
    'x'.repeat(100_000),
    `00-${id}-${span}`,
    `00-${id.toUpperCase()}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${id}-${'0'.repeat(16)}-01`,
    `ff-${id}-${span}-01`,
    `00-${id}-${span}-01-more`,
    `00-${id}-${span}-1`,
    `00-${id}-${span}-01\nX: y`,
  ]) {
    assert.equal(parseTraceContext({ traceparent }), undefined, traceparent.slice(0, 80));
  }
});

test('a state that is none, or too long, is left out', () => {
  const traceparent = `00-${id}-${span}-01`;
  for (const tracestate of ['', 'a'.repeat(600), '\u0000=1']) {
    const parsed = parseTraceContext({ traceparent, tracestate });
    assert.ok(parsed !== undefined);
    assert.deepEqual(formatTraceContext(parsed), { traceparent });
  }
});
