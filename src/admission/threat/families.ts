/**
 * The kinds of danger: what each counts for, who may declare it, why it is dangerous and what would make it harmless.
 * `docs/threat/families.md` is made of this table.
 */
import type { Capability, ThreatFamily } from '../../core/admission.ts';

export interface FamilyFacts {
  readonly title: string;
  /** 0–100: what one undeclared effect of the family counts for. */
  readonly base: number;
  /** Why the base is what it is. */
  readonly why: string;
  /** Who declares this counts it as a link of chains only; absent where nothing can declare it. */
  readonly capability?: Capability;
  readonly explanation: string;
  readonly remedy: string;
}

export const FAMILIES: Readonly<Record<ThreatFamily, FamilyFacts>> = {
  'sandbox-escape': {
    title: 'VM or sandbox escape',
    base: 100,
    why: 'Code has no reason to look for a way out other than to leave.',
    explanation: 'Reaches for something outside of the isolation that the code runs in.',
    remedy: 'Remove it: use what the host hands in, never what can be reached from it.',
  },
  cryptomining: {
    title: 'Cryptomining',
    base: 95,
    why: 'Takes the machine for somebody else, and is never a by-product of something useful.',
    explanation: 'Mines a currency with the processor of whoever runs this.',
    remedy: 'Remove the miner and the address of its pool.',
  },
  'child-process': {
    title: 'Child processes',
    base: 95,
    why: 'A program that is started is outside of everything that this analysis can see.',
    capability: 'child-process',
    explanation: 'Starts another program with the rights of this one.',
    remedy:
      'Do it in the language itself, or declare child-process and start one program by its full name with fixed arguments.',
  },
  'process-manipulation': {
    title: 'Process manipulation',
    base: 90,
    why: 'Reaches other processes or the host process, but cannot bring in code by itself.',
    capability: 'process',
    explanation: 'Ends, signals or changes a process.',
    remedy: 'Return or throw instead; leave processes to the host, or declare process.',
  },
  filesystem: {
    title: 'Filesystem access',
    base: 85,
    why: 'Reads and changes what outlives the run.',
    capability: 'filesystem',
    explanation: 'Reads or changes files of whoever runs this.',
    remedy: 'Take data as arguments and return it, or declare filesystem.',
  },
  'prototype-pollution': {
    title: 'Prototype pollution',
    base: 85,
    why: 'Changes every object of the host, which turns other checks of the host off.',
    explanation:
      'Changes a prototype that all objects share, so that code elsewhere behaves differently.',
    remedy:
      'Refuse the keys __proto__, prototype and constructor, or use a Map or Object.create(null).',
  },
  'dynamic-code': {
    title: 'Eval and dynamic code',
    base: 80,
    why: 'What is run is not what was looked at.',
    capability: 'dynamic-code',
    explanation: 'Runs text as code, which nothing has looked at.',
    remedy: 'Write the code out, parse data with JSON, or declare dynamic-code.',
  },
  network: {
    title: 'Network access',
    base: 75,
    why: 'A way out for data and in for code; without either it does little.',
    capability: 'network',
    explanation: 'Talks to other machines.',
    remedy: 'Let the host fetch and hand in the result, or declare network.',
  },
  'module-loading': {
    title: 'Module loading',
    base: 70,
    why: 'Brings in code that can be looked at by name, hence less than dynamic code.',
    capability: 'module-loading',
    explanation: 'Loads other modules, whose effects are not those seen here.',
    remedy: 'Bundle what is needed, or declare module-loading and load by constant names.',
  },
  'credential-harvesting': {
    title: 'Credential and environment harvesting',
    base: 90,
    why: 'What is read is a secret by nature; once it has left it cannot be called back.',
    capability: 'environment',
    explanation: 'Reads secrets: keys, tokens, cookies, wallets or the environment they stand in.',
    remedy: 'Have the host hand in the one value that is needed, or declare environment.',
  },
  obfuscation: {
    title: 'Obfuscation',
    base: 60,
    why: 'Hides something but does nothing by itself, and minified code does a little of it.',
    explanation: 'Hides what the code does from whoever reads it.',
    remedy: 'Publish the source as it was written; texts plain, names plain.',
  },
  persistence: {
    title: 'Persistence and install hooks',
    base: 90,
    why: 'Outlives the run, and with it every wall that the run had.',
    capability: 'persistence',
    explanation: 'Arranges that code runs again, later or at installation, without being asked.',
    remedy: 'Leave it to whoever installs this, or declare persistence.',
  },
  'resource-abuse': {
    title: 'Resource abuse',
    base: 70,
    why: 'Limits and watchdogs end it; it costs time but takes nothing.',
    explanation: 'Uses up time, memory or processes without a bound.',
    remedy: 'Give loops an end, and allocations a bound that does not come from outside.',
  },
  'native-code': {
    title: 'Native code and FFI',
    base: 95,
    why: 'Machine code can do all that a child process can, and stands inside of this process.',
    capability: 'native-code',
    explanation: 'Runs machine code or reaches memory beneath the language.',
    remedy: 'Use WASM or the language itself, or declare native-code.',
  },
  evasion: {
    title: 'Time bombs and environment checks',
    base: 60,
    why: 'Decides when to do harm but does none by itself; ordinary code asks for the date, too.',
    explanation: 'Behaves differently depending on when, where or under whose eyes it runs.',
    remedy: 'Do the same everywhere; take what differs as an argument.',
  },
  exfiltration: {
    title: 'Data exfiltration',
    base: 95,
    why: 'The whole chain is in sight: what is taken, and where it goes.',
    explanation: 'Collects data of whoever runs this and sends it away.',
    remedy: 'Do not send it, or send only what the caller has handed in.',
  },
};
