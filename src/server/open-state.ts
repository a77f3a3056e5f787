/** The state directory of the service: its owner alone can use it. */
import { join } from 'node:path';
import { isCaissonError } from '../core/error.ts';
import { defaultStateDirectory, openStateDirectory } from '../sandbox/state-directory.ts';
import { configInvalid } from './config/config.ts';
import type { Config } from './config/config-schema.ts';

/** @returns its path @throws CONFIG_INVALID where others can use it; STORE_UNUSABLE where it cannot be made */
export function openServiceState({ stateDirectory }: Pick<Config, 'stateDirectory'>): string {
  try {
    return openStateDirectory(
      stateDirectory ?? join(openStateDirectory(defaultStateDirectory()), 'service'),
    );
  } catch (error) {
    if (!isCaissonError(error) || error.code !== 'PATH_ESCAPES') throw error;
    const { message, hint } = error;
    const path = 'stateDirectory';
    throw configInvalid([{ path, message, ...(hint === undefined ? {} : { suggestion: hint }) }]);
  }
}
