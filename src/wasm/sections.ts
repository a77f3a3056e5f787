/** How a module is laid out. */

/** `\0asm`, version 1, layer 0 (core specification 5.5.16); components have layer 1. */
export const HEADER: readonly number[] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** Numbers of the sections, in the order in which they stand (core specification 5.5.2 and 5.5.16). */
export const sections = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  tag: 13,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  'data count': 12,
  code: 10,
  data: 11,
} as const;
export type SectionName = keyof typeof sections;

const NAMES = Object.keys(sections) as SectionName[];

export function sectionName(id: number): SectionName | undefined {
  return NAMES.find((name) => sections[name] === id);
}

/** Where it stands among the others; 0 for custom sections, which stand anywhere. */
export function sectionRank(name: SectionName): number {
  return NAMES.indexOf(name);
}
