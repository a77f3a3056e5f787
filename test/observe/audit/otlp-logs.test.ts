/** The mapping to OTLP logs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { otlpLogs } from '../../../src/observe/audit/otlp-logs.ts';

test('a record becomes a log record of OTLP, 64-bit numbers as text', () => {
  const hash = 'a'.repeat(64);
  const ts = '1795366094385027946';
  const details = { message: 'no', code: 'X' };
  const request = otlpLogs([{ seq: 7, ts, event: 'refused', run: 'run_1', details, hash }], 'f00d');
  assert.deepEqual(request, {
    resourceLogs: [
      {
        resource: {
          attributes: [
            { key: 'service.name', value: { stringValue: 'caisson' } },
            { key: 'caisson.audit.log', value: { stringValue: 'f00d' } },
          ],
        },
        scopeLogs: [
          {
            scope: { name: 'caisson.audit' },
            logRecords: [
              {
                timeUnixNano: ts,
                observedTimeUnixNano: ts,
                severityNumber: 13,
                severityText: 'WARN',
                eventName: 'caisson.refused',
                body: { stringValue: '{"code":"X","message":"no"}' },
                attributes: [
                  { key: 'caisson.seq', value: { intValue: '7' } },
                  { key: 'caisson.run', value: { stringValue: 'run_1' } },
                  { key: 'caisson.hash', value: { stringValue: hash } },
                ],
              },
            ],
          },
        ],
      },
    ],
  });
});
