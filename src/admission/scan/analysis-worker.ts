/** A thread that analyses one source after the other; whoever started it ends it where one takes too long. */
import { parentPort } from 'node:worker_threads';
import { type Analysis, type AnalysisOptions, Analyzer } from '../threat/analyzer.ts';

export interface AnalysisTask {
  readonly source: Uint8Array;
  readonly options: AnalysisOptions;
}

/** Told once it is ready, and then for each task. */
export type AnalysisAnswer = { readonly ready: true } | { readonly analysis: Analysis };

const analyzer = await Analyzer.open();
parentPort?.on('message', ({ source, options }: AnalysisTask) => {
  const analysis = analyzer.analyze(source, options);
  parentPort?.postMessage({ analysis } satisfies AnalysisAnswer);
});
parentPort?.postMessage({ ready: true } satisfies AnalysisAnswer);
