/** One program, two places: this process, and a service that is spoken to by its client. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RemoteCaisson, type SharedCaisson } from '../../src/client/index.ts';
import { Caisson } from '../../src/index.ts';
import { type Served, served } from '../server/served.ts';

export interface Opened extends AsyncDisposable {
  readonly caisson: SharedCaisson;
  /** With one file, `README`, of the line `before`. */
  readonly project: string;
}

export interface Whereabouts {
  readonly name: 'here' | 'of a service';
  readonly open: () => Promise<Opened>;
}

export const whereabouts: readonly Whereabouts[] = [
  {
    name: 'here',
    open: async () => {
      const project = newProject();
      const state = mkdtempSync(join(tmpdir(), 'caisson-client-state-'));
      const caisson = await Caisson.open({ stateDirectory: state });
      return {
        caisson,
        project,
        [Symbol.asyncDispose]: async () => {
          await caisson.close();
          for (const each of [project, state]) rmSync(each, { recursive: true, force: true });
        },
      };
    },
  },
  {
    name: 'of a service',
    open: async () => {
      const project = newProject();
      const service = await served({
        workspaces: { project },
        tenants: { acme: { workspaces: ['project'] } },
      });
      const caisson = await remotely(service);
      return {
        caisson,
        project: 'project',
        [Symbol.asyncDispose]: async () => {
          await caisson.close();
          await service[Symbol.asyncDispose]();
          rmSync(project, { recursive: true, force: true });
        },
      };
    },
  },
];

export async function remotely(
  service: Served,
  role = 'developer',
  tenant?: string,
): Promise<RemoteCaisson> {
  const apiKey = await service.key(role, tenant);
  return await RemoteCaisson.open({ url: service.address, apiKey });
}

function newProject(): string {
  const project = mkdtempSync(join(tmpdir(), 'caisson-client-project-'));
  writeFileSync(join(project, 'README'), 'before\n');
  return project;
}
