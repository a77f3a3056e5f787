/** An evaluation as JSON, and back. */
import type { Evaluation } from '../sandbox/evaluation.ts';
import type { WireEvaluation } from './modules.ts';
import { outcomeFromWire, outcomeToWire } from './outcome.ts';
import { type Encoding, valueFromWire, valueToWire } from './value.ts';

export function evaluationToWire(evaluation: Evaluation, encoding: Encoding): WireEvaluation {
  const { value, error, fuel } = evaluation;
  return {
    ...outcomeToWire(evaluation),
    ...(value === undefined ? {} : { value: valueToWire(value, encoding) }),
    ...(error === undefined ? {} : { error: { ...error } }),
    ...(fuel === undefined ? {} : { fuel: fuel.toString() }),
  };
}

export function evaluationFromWire(wire: WireEvaluation, encoding: Encoding): Evaluation {
  const { value, fuel, error, ...rest } = wire;
  return {
    ...outcomeFromWire(rest),
    ...(value === undefined ? {} : { value: valueFromWire(value, encoding) }),
    ...(error === undefined ? {} : { error: error as NonNullable<Evaluation['error']> }),
    ...(fuel === undefined ? {} : { fuel: BigInt(fuel) }),
  };
}
