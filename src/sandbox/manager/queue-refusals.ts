/**
 * Why a request gets no place in the queue.
 */
import { CaissonError } from '../../core/error.ts';
import type { Resources } from './resources.ts';
import type { Demand } from './scheduler.ts';

export function quoteTenant(tenant: string): string {
  return tenant === '' ? 'without a name' : JSON.stringify(tenant);
}

export function tooLarge(
  { need, id }: Demand,
  dimension: keyof Resources,
  room: Resources,
  whose: string,
): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: `the policy may use ${need[dimension]} of ${dimension}, and ${whose} is ${room[dimension]}`,
    hint: 'lower that limit in the policy, or make the pool larger',
    details: { id, dimension, need: need[dimension], room: room[dimension] },
  });
}

export function queueFull(what: string, places: number): CaissonError {
  return new CaissonError('QUEUE_FULL', {
    layer: 'sandbox',
    message: `${what} is full: ${places} wait already`,
    hint: 'try again later, or make the queue longer',
    details: { places },
  });
}
