/** What `caisson prove` takes. */
import { parseBytes } from '../core/units.ts';

export const proveFlags = {
  check: { summary: 'Check MODULE against CERTIFICATE, and make nothing' },
  out: {
    short: 'o',
    value: 'FILE',
    completes: 'file',
    summary: 'Where the instrumented module is written; default: MODULE with .proved.wasm',
  },
  certificate: {
    short: 'c',
    value: 'FILE',
    completes: 'file',
    summary: 'Where the certificate is written; default: the instrumented module with .pcc',
  },
  memory: {
    value: 'SIZE',
    check: parseBytes,
    summary: 'What its memory may grow to, where it does not say less; default: 64MiB',
  },
  stack: {
    value: 'SLOTS',
    summary: 'What calls may take, in slots of 8 bytes; default: 65536',
  },
  deterministic: { summary: 'Make all NaNs canonical: the same results on every processor' },
} as const;
