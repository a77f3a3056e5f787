/** Types of values as bytes; those of refused features by their names. */
import type { RefusedFeature } from './features.ts';
import { type ValueType, type ValueTypeName, valueTypes } from './module.ts';
import { refusedFeature } from './problem.ts';
import type { Reader } from './reader.ts';

const NAMES = new Map<number, ValueTypeName>(
  Object.entries(valueTypes).map(([name, byte]) => [byte, name as ValueTypeName]),
);

/** Abstract heap types from `noexn` to `array`, and references to types (core specification 3.0, 5.3). */
const REFUSED = new Map<number, RefusedFeature>([
  [0x74, 'exceptions'],
  [0x69, 'exceptions'],
  [0x64, 'typed function references'],
  [0x63, 'typed function references'],
  ...[0x73, 0x72, 0x71, 0x6e, 0x6d, 0x6c, 0x6b, 0x6a].map(
    (byte) => [byte, 'garbage collection'] as const,
  ),
]);

export function nameOfType(type: ValueType): ValueTypeName {
  return NAMES.get(type) ?? 'externref';
}

export function readValueType(reader: Reader): ValueType {
  const offset = reader.position;
  const byte = reader.byte();
  if (NAMES.has(byte)) return byte as ValueType;
  const feature = REFUSED.get(byte);
  if (feature !== undefined) throw refusedFeature(feature, undefined, reader.place(offset));
  throw reader.malformed(`there is no value type 0x${byte.toString(16)}`, offset);
}

export function readReferenceType(reader: Reader): ValueType {
  const offset = reader.position;
  const type = readValueType(reader);
  if (!isReference(type)) throw reader.malformed(`${nameOfType(type)} is no reference`, offset);
  return type;
}

/** What `ref.null` is given: a type index there is of typed function references. */
export function readHeapType(reader: Reader): ValueType {
  const next = reader.bytes[reader.position] ?? 0;
  if (next < 0x40 || next >= 0x80)
    throw refusedFeature('typed function references', 'ref.null', reader.place());
  return readReferenceType(reader);
}

export function isReference(type: ValueType): boolean {
  return type === valueTypes.funcref || type === valueTypes.externref;
}
