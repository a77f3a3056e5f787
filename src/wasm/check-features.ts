/** Refuses what a module uses, by name and first place. */
import type { Feature } from './features.ts';
import type { Module } from './module.ts';
import { refusedFeature } from './problem.ts';

/** @throws CaissonError `WASM_REFUSED` with `details.feature` */
export function refuseFeatures({ features }: Module, refused: readonly Feature[]): void {
  for (const feature of refused) {
    const use = features.get(feature);
    if (use !== undefined) throw refusedFeature(feature, use.instruction, use);
  }
}
