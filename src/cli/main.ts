/**
 * `caisson`. A run that is known already takes a short way; everything else is loaded when it is needed.
 */
import { becomeKnownRun } from './known-run.ts';

const words = process.argv.slice(2);
becomeKnownRun(words);

// No top-level await: published, this file is CommonJS, which starts sooner.
void import('./command-line.ts')
  .then(({ runCommandLine }) => runCommandLine(words))
  // Everything is written by then; whatever else is open (a stdin that nobody reads) is not waited for.
  .then((exit) => process.exit(exit));
