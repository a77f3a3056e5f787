/**
 * Whether code may run at all, and behind which wall: what is asked, and what is answered. The checks are in
 * `admission/`; whoever runs code asks by the port {@link Admission}, wired in compose.
 */

/** What code is written in. `command` is an argv, one word a line of JSON. */
export type CodeLanguage = 'javascript' | 'typescript' | 'python' | 'shell' | 'wasm' | 'command';

/** Kinds of danger, each with its base score in `admission/threat/families.ts`. */
export const THREAT_FAMILIES = [
  'child-process',
  'credential-harvesting',
  'cryptomining',
  'dynamic-code',
  'evasion',
  'exfiltration',
  'filesystem',
  'module-loading',
  'native-code',
  'network',
  'obfuscation',
  'persistence',
  'process-manipulation',
  'prototype-pollution',
  'resource-abuse',
  'sandbox-escape',
] as const;
export type ThreatFamily = (typeof THREAT_FAMILIES)[number];

/** Effects that a module may declare; what is declared counts only as a link of a chain. */
export const CAPABILITIES = [
  'child-process',
  'dynamic-code',
  'environment',
  'filesystem',
  'module-loading',
  'native-code',
  'network',
  'persistence',
  'process',
] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** Where something stands in a text: offsets in UTF-16 units, lines and columns from 1. */
export interface SourceRange {
  readonly start: number;
  readonly end: number;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** One thing that was found in code. Its texts hold parts of the code: show them, never act on them. */
export interface Finding {
  readonly family: ThreatFamily;
  /** What matched, stable: `javascript/child-process/exec`. */
  readonly rule: string;
  /** 0–100: what it counts for, relative to what is declared; 0 where it is declared and part of nothing. */
  readonly score: number;
  /** File of the module it is in; absent where there is only one. */
  readonly path?: string;
  readonly range: SourceRange;
  /** The text at `range`, at most 160 characters, control characters escaped. */
  readonly excerpt: string;
  /** What it does and why that is dangerous, one or two sentences. */
  readonly explanation: string;
  /** What would make it harmless. */
  readonly remedy: string;
  /** From source to sink, where it is a flow: each step with its place. */
  readonly flow?: readonly { readonly label: string; readonly range: SourceRange }[];
  /** The capability that it needs; absent where it cannot be declared. */
  readonly capability?: Capability;
  /** The reason of the waiver under which it does not count. */
  readonly waived?: string;
}

/** Who vouches for code. */
export interface VerifiedSigner {
  /** Name in the registry of trusted signers. */
  readonly name: string;
  /** SHA-256 of the public key's SPKI, hexadecimal. */
  readonly keyId: string;
}

/** What a checked certificate says (`wasm-pcc/v1`). */
export interface CheckedProof {
  readonly format: 'wasm-pcc/v1';
  /** Digest of the module that it is about, SHA-256, hexadecimal. */
  readonly subject: string;
  /** Fuel and stack that no execution can exceed, where they are static. */
  readonly bounds: Readonly<Record<string, string>>;
}

/**
 * `unchecked`: nobody was asked to look. `strengthened`: admitted behind a stronger wall than was asked for.
 * What is `refused` does not run.
 */
export type AdmissionDecision = 'unchecked' | 'admitted' | 'strengthened' | 'refused';

/** What stands in a result and in the audit log. */
export interface AdmissionReport {
  readonly decision: AdmissionDecision;
  /** 0–100; absent where nothing was scanned. */
  readonly score?: number;
  readonly findings?: readonly Finding[];
  readonly signer?: VerifiedSigner;
  readonly proof?: CheckedProof;
  /** Why it was decided so, each in a sentence. */
  readonly reasons?: readonly string[];
  /** SHA-256 of what was looked at, hexadecimal. */
  readonly digest?: string;
}

/** Code that is to be admitted. */
export interface Candidate {
  /** What it is signed and audited as: a module's id and version, a file, `eval`. */
  readonly name: string;
  readonly language: CodeLanguage;
  /** SHA-256 of what is signed, hexadecimal: of a module's code, of a program's id. */
  readonly digest: string;
  /** By path, `/`-separated. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Of files in another language than the candidate's; `command` alone has several. */
  readonly languages?: Readonly<Record<string, CodeLanguage>>;
  /** What of it is signed, where that is not the whole: the one source that a command runs. */
  readonly signed?: { readonly language: CodeLanguage; readonly digest: string };
  /** What it says it does; default nothing. */
  readonly declares?: readonly Capability[];
  /** What its executions are given, where that is known: a signature may bound it. */
  readonly limits?: Readonly<Partial<Record<'timeoutMs' | 'cpuMs' | 'memoryBytes', number>>>;
  /** DSSE envelopes or Sigstore bundles, as JSON. */
  readonly signatures?: readonly string[];
  /** A `wasm-pcc/v1` certificate. */
  readonly certificate?: Uint8Array;
}

/** A rejection is a refusal. */
export type Admission = (candidate: Candidate) => AdmissionReport | Promise<AdmissionReport>;

/** Of what nobody was asked to look at. */
export const UNCHECKED: AdmissionReport = Object.freeze({ decision: 'unchecked' });

/** Where nothing checks code. */
export const unchecked: Admission = () => UNCHECKED;

/** One thing that code did, or tried to do, when it was run. */
export interface Deed {
  readonly capability: Capability;
  /** Path, `host:port/protocol`, name, system call or program. Chosen by the code: show it, never act on it. */
  readonly target: string;
  /** What the place seems to hold, where that is a secret. */
  readonly secret?: string;
  /** How often; absent: once. */
  readonly count?: number;
}

/** What code did in a throwaway sandbox, where next to nothing is allowed and what is refused is seen. */
export interface Behaviour {
  readonly command: readonly string[];
  /** How it ended: `exited 0`, `timed-out`. */
  readonly ended: string;
  readonly did: readonly Deed[];
  /** Those of `did` whose capability nobody declared. */
  readonly undeclared: readonly Deed[];
  /** Effects that it may have had and that leave no trace: that none is in `did` says nothing of them. */
  readonly unobserved: readonly { readonly capability: Capability; readonly why: string }[];
}

/** Runs a command over a directory and says what it did. A rejection means that nothing is known of it. */
export type Behave = (request: {
  readonly command: readonly string[];
  /** The directory that it works in; changed by nothing that the command does. */
  readonly directory: string;
  readonly declares: readonly Capability[];
}) => Promise<Behaviour>;
