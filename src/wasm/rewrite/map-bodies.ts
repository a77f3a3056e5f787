/** Rewrites every function's body, and drops what pointed into the old ones. */
import {
  type Body,
  type FunctionType,
  functionTypes,
  type Locals,
  type Module,
  type ValueType,
} from '../module.ts';

/** Custom sections with offsets into code. `name` stays: no index ever moves. */
const POINTS_INTO_CODE =
  /^(?:\.debug_|reloc\.|linking$|sourceMappingURL$|external_debug_info$|metadata\.code\.)/;
const NO_TYPE: FunctionType = { parameters: [], results: [] };

export function mapBodies(
  module: Module,
  rewrite: (body: Body, type: FunctionType, index: number) => Body,
): Module {
  return {
    ...module,
    bodies: module.bodies.map((body, index) => {
      const type = module.types[module.functions[index] ?? -1] ?? NO_TYPE;
      return rewrite(body, type, index);
    }),
    customSections: module.customSections.filter(({ name }) => !POINTS_INTO_CODE.test(name)),
  };
}

/** The type of every function by its index, imported ones first. */
export function typesByFunction(module: Module): FunctionType[] {
  return functionTypes(module).map((type) => module.types[type] ?? NO_TYPE);
}

/** Locals that rewriting needs, behind the function's own. */
export class ScratchLocals {
  readonly #own: readonly Locals[];
  readonly #added: Locals[] = [];
  readonly #byUse = new Map<string, number>();
  #next: number;

  constructor(body: Body, type: FunctionType) {
    this.#own = body.locals;
    this.#next = body.locals.reduce((sum, { count }) => sum + count, type.parameters.length);
  }

  /** The index of the local for this use: always the same one. */
  of(use: string, type: ValueType): number {
    const known = this.#byUse.get(use);
    if (known !== undefined) return known;
    this.#byUse.set(use, this.#next);
    this.#added.push({ count: 1, type });
    return this.#next++;
  }

  /** The function's locals, and these. */
  get all(): Locals[] {
    return [...this.#own, ...this.#added];
  }
}
