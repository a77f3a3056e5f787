/** Who is told of what happens: the audit log, an observer, telemetry's own. */
import type { Observer, Recorder } from '../core/ports.ts';
import type { Telemetry } from '../core/telemetry.ts';

/** All are told; the audit log alone can hold a run up. */
export function recorderOf({
  observer: asked,
  audit,
  telemetry,
}: {
  readonly observer?: Observer;
  readonly audit?: Recorder;
  readonly telemetry?: Telemetry;
}): Recorder | undefined {
  const observer = both(asked, telemetry?.observer);
  if (observer === undefined) return audit;
  if (audit === undefined) return { observer, ready: () => undefined };
  return {
    observer: (event) => {
      audit.observer(event);
      observer(event);
    },
    ready: () => audit.ready(),
    written: () => audit.written?.(),
  };
}

function both(one: Observer | undefined, other: Observer | undefined): Observer | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return (event) => {
    one(event);
    other(event);
  };
}
