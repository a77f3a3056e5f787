/** What a certificate and its module have to satisfy; docs/proof.md has the rule behind each name. */
export type Obligation =
  | ('certificate' | 'subject' | 'structure' | 'imports' | 'exports' | 'memory' | 'tables')
  | ('opcodes' | 'counters' | 'charge' | 'loop' | 'fuel' | 'frame' | 'rank' | 'types');

/** Ends the check; it never leaves the checker. `offset` is one of the certificate for `certificate`. */
export class Violation extends Error {
  readonly obligation: Obligation;
  readonly offset: number;

  constructor(obligation: Obligation, offset: number, message: string) {
    super(message);
    this.obligation = obligation;
    this.offset = offset;
  }
}

export function violated(obligation: Obligation, offset: number, message: string): never {
  throw new Violation(obligation, offset, message);
}
