/** A Prometheus of its own for a test: in a directory of its own, on a port that is free. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { prometheus } from './prometheus-programs.ts';

export interface Scrape {
  readonly target: string;
  readonly rules: string;
  /** A bearer token that it shows. */
  readonly key?: string;
}

export class PrometheusServer implements AsyncDisposable {
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #url: string;
  #log = '';

  private constructor(directory: string, child: ChildProcess, port: number) {
    this.#directory = directory;
    this.#child = child;
    this.#url = `http://127.0.0.1:${port}`;
    child.stderr?.on('data', (chunk) => {
      this.#log += chunk;
    });
  }

  static async open({ target, rules, key }: Scrape): Promise<PrometheusServer> {
    const directory = mkdtempSync(join(tmpdir(), 'caisson-prometheus-'));
    const config = join(directory, 'prometheus.yml');
    const lines = [
      'global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }',
      `rule_files: [${JSON.stringify(rules)}]`,
      'scrape_configs:',
      '  - job_name: caisson',
      `    static_configs: [{ targets: [${JSON.stringify(target)}] }]`,
      ...(key === undefined ? [] : [`    authorization: { credentials: ${JSON.stringify(key)} }`]),
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    const port = await freePort();
    const args = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    const stdio: ['ignore', 'ignore', 'pipe'] = ['ignore', 'ignore', 'pipe'];
    const server = new PrometheusServer(directory, spawn(prometheus ?? '', args, { stdio }), port);
    await server.until('it is ready', async () => (await fetch(`${server.#url}/-/ready`)).ok);
    return server;
  }

  /** Values of an expression now, by instance and job left out. */
  async query(expression: string): Promise<{ metric: Record<string, string>; value: number }[]> {
    const { result } = (await this.#get(`query?query=${encodeURIComponent(expression)}`)) as {
      result: { metric: Record<string, string>; value: [number, string] }[];
    };
    return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  /** Names of the alerts that fire. */
  async firing(): Promise<string[]> {
    const { alerts } = (await this.#get('alerts')) as {
      alerts: { state: string; labels: Record<string, string> }[];
    };
    return alerts.flatMap(({ state, labels }) =>
      state === 'firing' ? [labels.alertname ?? ''] : [],
    );
  }

  /** What is wrong with the target, as Prometheus says; empty: nothing. */
  async lastError(): Promise<string> {
    const { activeTargets } = (await this.#get('targets')) as {
      activeTargets: { lastError: string }[];
    };
    return activeTargets.map((target) => target.lastError).join();
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (let attempt = 0; attempt < 600; attempt++) {
      if (this.#child.exitCode !== null) break;
      if (await holds().catch(() => false)) return;
      await sleep(50);
    }
    assert.fail(`it never came that ${what}\n${this.#log}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #get(path: string): Promise<unknown> {
    const answer = (await (await fetch(`${this.#url}/api/v1/${path}`)).json()) as {
      status: string;
      data: unknown;
    };
    assert.equal(answer.status, 'success', JSON.stringify(answer));
    return answer.data;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
