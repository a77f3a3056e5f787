/**
 * What WebAssembly has gained since its first version, by the names of the proposals. A module's features are found
 * while it is decoded, so that one can be refused by its name and place.
 */

/** Decoded and rewritten. */
export const features = [
  'sign extension',
  'saturating conversions',
  'multi-value',
  'reference types',
  'bulk memory',
  'SIMD',
  'relaxed SIMD',
  'threads',
  'tail calls',
  'extended constants',
  'constants of own globals',
] as const;
export type Feature = (typeof features)[number];

/**
 * Known by name and refused: exceptions leave functions on ways that the bound on the stack does not see; garbage
 * collection allocates outside of the memories that are clamped; a second memory or a wider one makes the clamp of one
 * memory no bound.
 */
export const refusedFeatures = [
  'exceptions',
  'garbage collection',
  'typed function references',
  'memory64',
  'multiple memories',
  'custom page sizes',
] as const;
export type RefusedFeature = (typeof refusedFeatures)[number];

export function isRefused(feature: Feature | RefusedFeature): feature is RefusedFeature {
  return (refusedFeatures as readonly string[]).includes(feature);
}

/**
 * Engines may give different results for these on the same input: threads by timing, relaxed SIMD by the processor
 * (WebAssembly core specification 3.0, "Relaxed operations").
 */
export const nondeterministicFeatures: readonly Feature[] = ['threads', 'relaxed SIMD'];
