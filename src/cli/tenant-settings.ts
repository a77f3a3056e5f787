/** What a tenant may, as a file says it. */
import { readFileSync, statSync } from 'node:fs';
import { CaissonError } from '../core/error.ts';
import { MAX_POLICY_BYTES } from '../policy/parse.ts';
import { readYaml } from '../policy/yaml-source.ts';
import type { TenantSettings } from '../server/security/tenants.ts';

/** @throws REQUEST_INVALID: the file cannot be read, or is neither YAML nor JSON */
export function readTenantSettings({ settings: path }: { readonly settings?: string }): {
  settings?: TenantSettings;
} {
  if (path === undefined) return {};
  let text: string;
  try {
    if (statSync(path).size > MAX_POLICY_BYTES) throw new Error('it is too large');
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw invalid(`${path} cannot be read`, 'name a file of YAML or JSON', cause);
  }
  const { value, problems } = readYaml(text, path);
  const [problem] = problems;
  if (problem !== undefined) {
    throw invalid(
      `${path}: ${problem.message}`,
      'write it as under `tenants` of the configuration',
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${path} holds no settings`, 'write it as under `tenants` of the configuration');
  }
  return { settings: JSON.parse(JSON.stringify(value)) };
}

function invalid(message: string, hint: string, cause?: unknown): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint, cause });
}
