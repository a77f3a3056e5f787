/**
 * The decision: may this code run, and behind which wall. Whatever goes wrong with a check is a refusal: an exception,
 * a time limit, an answer that makes no sense.
 */
import { createHash } from 'node:crypto';
import type {
  AdmissionReport,
  Candidate,
  Capability,
  CheckedProof,
  CodeLanguage,
  Finding,
  VerifiedSigner,
} from '../core/admission.ts';
import type { AdmissionPolicy, ScanPolicy, WallName } from '../policy/policy.ts';
import { applyWaivers, isModelWaived } from './threat/waivers.ts';
import { unseenFinding } from './unseen-finding.ts';
import { nextExpiry } from './waiver-expiry.ts';

export interface LookOptions {
  readonly language: Exclude<CodeLanguage, 'wasm' | 'command'>;
  readonly path?: string;
  readonly profile: ScanPolicy['profile'];
  readonly declares: readonly Capability[];
  readonly model: boolean;
}

/** What an analysis says of one file. */
export interface Looked {
  readonly score: number;
  readonly findings: readonly Finding[];
  readonly model?: { readonly probability: number; readonly because?: readonly string[] };
}

/** For whom it is looked at. */
export interface Asker {
  /** Absent: the program itself. */
  readonly tenant?: string | undefined;
  /** Aborted once nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

export interface AdmissionParts {
  readonly analyze: (
    source: Uint8Array,
    options: LookOptions,
    asker: Asker,
  ) => Looked | Promise<Looked>;
  /** The score of findings, some of which do not count. */
  readonly score: (
    findings: readonly Finding[],
    probability: number | undefined,
  ) => number | Promise<number>;
  readonly verify: (
    candidate: Candidate,
    signers: readonly string[] | undefined,
    nowMs: number,
    mayWrite: Demand['mayWrite'],
  ) => Promise<
    | {
        readonly ok: true;
        readonly signer: VerifiedSigner;
        /** Behind which alone it counts; absent: any. */
        readonly walls?: readonly WallName[];
      }
    | { readonly ok: false; readonly reason: string }
  >;
  readonly checkProof: (
    module: Uint8Array,
    certificate: Uint8Array,
  ) => Promise<
    | { readonly ok: true; readonly proof: CheckedProof }
    | { readonly ok: false; readonly reason: string }
  >;
  /** Wall clock, Unix ms. */
  readonly clock: () => number;
  /** Of all checks of one candidate together, ms; default 30,000. */
  readonly timeLimitMs?: number;
}

export interface Decided {
  readonly report: AdmissionReport;
  /** From then on it has to be decided again; Unix ms, Infinity: never. */
  readonly untilMs: number;
}

/** What code stands behind and is asked for. */
export interface Demand {
  readonly admission: AdmissionPolicy;
  /** The walls that it may come to stand behind. */
  readonly walls: readonly WallName[];
  /** Whether it may write to an absolute path of the host: who is trusted must not be for it to say. Default: nowhere. */
  readonly mayWrite?: ((path: string) => boolean) | undefined;
  /** Whose code it is: tenants are looked at in turns. */
  readonly tenant?: string | undefined;
}

export type Decide = (candidate: Candidate, demand: Demand) => Promise<Decided>;

const TIME_LIMIT_MS = 30_000;
const FILES_MAX = 10_000;
const BYTES_MAX = 64 * 2 ** 20;
const FINDINGS_MAX = 100;
/** A signer may be revoked, or its validity end. */
const SIGNED_FOR_MS = 1000;
const REASON_MAX = 500;

/** @returns a function that never rejects */
export function makeAdmission(parts: AdmissionParts): Decide {
  return async (candidate, demand) => {
    const { timeLimitMs = TIME_LIMIT_MS } = parts;
    const deadline = performance.now() + timeLimitMs;
    const over = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Decided>((resolve) => {
      const reason = `looking at it took longer than ${timeLimitMs} ms`;
      timer = setTimeout(() => resolve(refusal(candidate, [reason])), timeLimitMs);
    });
    try {
      const asker = { tenant: demand.tenant, signal: over.signal };
      return await Promise.race([decide(parts, candidate, demand, deadline, asker), late]);
    } catch (error) {
      return refusal(candidate, [`the check of it failed: ${messageOf(error)}`]);
    } finally {
      clearTimeout(timer);
      over.abort();
    }
  };
}

async function decide(
  parts: AdmissionParts,
  candidate: Candidate,
  demand: Demand,
  deadline: number,
  asker: Asker,
): Promise<Decided> {
  const { admission } = demand;
  const now = parts.clock();
  const reasons: string[] = [];
  const refused: string[] = [];
  const scan = admission.scan;
  const looked =
    scan === undefined ? undefined : await look(parts, candidate, scan, now, deadline, asker);
  if (looked !== undefined) reasons.push(...looked.reasons);

  let signer: VerifiedSigner | undefined;
  const wantsSigner = admission.requires.includes('signature');
  if (wantsSigner || (candidate.signatures?.length ?? 0) > 0) {
    const verdict = await verified(parts, candidate, demand, now);
    if (verdict.ok) signer = verdict.signer;
    else if (wantsSigner) refused.push(verdict.reason);
    else reasons.push(`its signature does not count: ${verdict.reason}`);
  }
  let proof: CheckedProof | undefined;
  const wantsProof = admission.requires.includes('proof');
  if (wantsProof || candidate.certificate !== undefined) {
    const verdict = await proved(parts, candidate);
    if (verdict.ok) proof = verdict.proof;
    // A certificate that lies is a refusal, whether one was asked for or not.
    else refused.push(verdict.reason);
  }

  const score = looked?.score;
  let decision: AdmissionReport['decision'] = 'admitted';
  if (scan !== undefined && score !== undefined) {
    if (!(score < scan.refuse)) {
      refused.unshift(`its score is ${score}, and from ${scan.refuse} on code is refused`);
    } else if (!(score < scan.strengthen)) {
      decision = 'strengthened';
      reasons.unshift(`its score is ${score}: from ${scan.strengthen} on, behind a stronger wall`);
    }
  }
  if (scan === undefined && !wantsSigner && !wantsProof) decision = 'unchecked';
  const report = frozen({
    decision: refused.length > 0 ? 'refused' : decision,
    ...(score === undefined ? {} : { score }),
    ...(looked === undefined ? {} : { findings: looked.findings }),
    ...(signer === undefined ? {} : { signer }),
    ...(proof === undefined ? {} : { proof }),
    ...(refused.length + reasons.length === 0 ? {} : { reasons: [...refused, ...reasons] }),
    digest: candidate.digest,
  });
  const untilMs = Math.min(
    nextExpiry(scan?.waivers ?? [], now),
    signer === undefined ? Number.POSITIVE_INFINITY : now + SIGNED_FOR_MS,
  );
  return { report, untilMs };
}

async function look(
  parts: AdmissionParts,
  candidate: Candidate,
  scan: ScanPolicy,
  now: number,
  deadline: number,
  asker: Asker,
): Promise<
  Required<Pick<AdmissionReport, 'findings' | 'reasons'>> & { score: number | undefined }
> {
  const files = Object.entries(candidate.files);
  if (files.length > FILES_MAX) throw new Error(`it has more than ${FILES_MAX} files`);
  let bytes = 0;
  for (const [, source] of files) bytes += source.length;
  if (bytes > BYTES_MAX) throw new Error(`it has more than ${BYTES_MAX} bytes`);
  const { declares, beyond } = declaredOf(candidate, scan);
  const reasons = beyond.map(
    (each) => `it declares ${each}, which the policy lets no code declare: that counts in full`,
  );
  const found: Finding[] = [];
  let score: number | undefined;
  for (const [path, source] of files) {
    if (performance.now() > deadline) throw new Error('looking at its files took too long');
    const language = candidate.languages?.[path] ?? candidate.language;
    if (language === 'wasm') {
      reasons.push('WebAssembly has no effects but its imports, which are checked apart');
      continue;
    }
    const data = typeof source === 'string' ? Buffer.from(source) : source;
    const options = {
      ...(files.length === 1 ? {} : { path }),
      profile: scan.profile,
      declares,
      model: scan.model,
    };
    const looked: Looked =
      language === 'command'
        ? unseenFinding(path, String(source), declares)
        : await parts.analyze(data, { language, ...options }, asker);
    const context = {
      digest: [createHash('sha256').update(data).digest('hex'), candidate.digest],
      path,
      nowMs: now,
    };
    const findings = applyWaivers(looked.findings, scan.waivers, context);
    const isUnheard = isModelWaived(scan.waivers, context);
    const own =
      isUnheard || findings.some(({ waived }) => waived !== undefined)
        ? await parts.score(findings, isUnheard ? undefined : looked.model?.probability)
        : looked.score;
    if (looked.model?.because !== undefined) {
      reasons.push(`the trained model speaks against ${path}: ${looked.model.because.join(', ')}`);
    }
    if (!(own >= 0 && own <= 100)) throw new Error(`the analysis of ${path} gave no score`);
    found.push(
      ...findings.map((finding) =>
        files.length === 1 || finding.path !== undefined ? finding : { ...finding, path },
      ),
    );
    score = Math.max(score ?? 0, own);
  }
  return { score, findings: worstFirst(found), reasons };
}

/** That a command starts processes and works on files is what was asked for; on which, the policy says. */
const OF_COMMANDS: readonly Capability[] = ['child-process', 'filesystem'];

/** A manifest is a request: what a policy lets nobody declare is not declared. */
function declaredOf(
  { declares, language }: Candidate,
  scan: ScanPolicy,
): { declares: readonly Capability[]; beyond: readonly Capability[] } {
  const asked = declares ?? scan.declares;
  const granted = asked.filter((each) => scan.declares.includes(each));
  const own = language === 'command' || language === 'shell' ? OF_COMMANDS : [];
  return {
    declares: [...new Set([...granted, ...own])].sort(),
    // What the profile declares anyway is no more than the policy says.
    beyond: scan.profile === 'package' ? [] : asked.filter((each) => !granted.includes(each)),
  };
}

async function verified(
  parts: AdmissionParts,
  candidate: Candidate,
  { admission: { signers }, walls, mayWrite }: Demand,
  now: number,
): Promise<{ ok: true; signer: VerifiedSigner } | { ok: false; reason: string }> {
  const [id, version] = candidate.name.split('@', 2);
  const as = `--id ${id}${version === undefined ? '' : ` --module-version ${version}`}`;
  const how = `whoever answers for it signs it as ${candidate.name} (caisson sign FILE --key KEY ${as})`;
  if ((candidate.signatures?.length ?? 0) === 0) {
    return { ok: false, reason: `it has no signature, and the policy requires one; ${how}` };
  }
  if (signers?.length === 0) return { ok: false, reason: 'the policy lets nobody sign' };
  const verdict = await parts.verify(candidate, signers, now, mayWrite);
  if (!verdict.ok) return verdict;
  const outside = walls.filter((wall) => verdict.walls?.includes(wall) === false);
  if (outside.length === 0) return { ok: true, signer: verdict.signer };
  const reason = `the signature of ${verdict.signer.name} does not count behind the wall ${outside.join(', ')}`;
  return { ok: false, reason };
}

async function proved(
  parts: AdmissionParts,
  { language, files, certificate, name, digest }: Candidate,
): Promise<{ ok: true; proof: CheckedProof } | { ok: false; reason: string }> {
  const [module] = Object.values(files);
  if (language !== 'wasm' || !(module instanceof Uint8Array)) {
    return { ok: false, reason: `there are proofs for WebAssembly alone, and this is ${language}` };
  }
  if (certificate === undefined) {
    const reason = `it has no certificate, and the policy requires a proof; its maker proves it (caisson prove ${name}.wasm)`;
    return { ok: false, reason };
  }
  const verdict = await parts.checkProof(module, certificate);
  if (!verdict.ok)
    return { ok: false, reason: `its certificate does not check: ${verdict.reason}` };
  if (verdict.proof.subject === digest) return verdict;
  return { ok: false, reason: 'its certificate is about another module' };
}

/** What could not be decided is refused, and may be asked again at once. */
function refusal({ digest }: Candidate, reasons: readonly string[]): Decided {
  return { report: frozen({ decision: 'refused', reasons, digest }), untilMs: 0 };
}

/** Not all of them where there are many: results carry them. */
function worstFirst(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted((a, b) => b.score - a.score).slice(0, FINDINGS_MAX);
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, REASON_MAX);
}

function frozen(report: AdmissionReport): AdmissionReport {
  if (report.findings !== undefined) Object.freeze(report.findings);
  if (report.reasons !== undefined) Object.freeze(report.reasons);
  return Object.freeze(report);
}
