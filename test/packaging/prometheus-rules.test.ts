/** The alert rules and the dashboard: promtool takes them, and they speak of series that there are. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { openTelemetry } from '../../src/observe/telemetry/open-telemetry.ts';
import { prometheusSkip, promtool } from '../observe/telemetry/prometheus-programs.ts';

const deploy = join(import.meta.dirname, '../../packaging/deploy');
const rules = join(deploy, 'prometheus/alerts.yaml');
const dashboards = join(deploy, 'grafana');

interface Rules {
  readonly groups: readonly { readonly rules: readonly { alert: string; expr: string }[] }[];
}

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
  readonly panels?: readonly Panel[];
}

const alerts = (parse(readFileSync(rules, 'utf8')) as Rules).groups.flatMap((group) => group.rules);

function check(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(promtool ?? '', args, { encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}${stderr}`);
  return stdout;
}

describe('promtool', { skip: prometheusSkip }, () => {
  test('takes the rules', () => {
    assert.match(check('check', 'rules', rules), new RegExp(`SUCCESS: ${alerts.length} rules`));
  });

  test('takes the configuration of the scraper', () => {
    const config = join(deploy, 'prometheus/prometheus.yaml');
    assert.match(check('check', 'config', '--syntax-only', config), /SUCCESS/);
  });

  test('finds that each alert fires where it should and nowhere else', () => {
    check('test', 'rules', join(import.meta.dirname, 'alerts.test.yaml'));
  });
});

test('each alert has a test', () => {
  const tests = readFileSync(join(import.meta.dirname, 'alerts.test.yaml'), 'utf8');
  const missing = alerts.filter(({ alert }) => !tests.includes(`alertname: ${alert}\n`));
  assert.deepEqual(missing, []);
});

test('every series that an alert or a panel asks for is one that is told', async () => {
  const known = await families();
  const panels = readdirSync(dashboards).flatMap((name) =>
    panelsOf(JSON.parse(readFileSync(join(dashboards, name), 'utf8')) as Panel),
  );
  assert.ok(panels.length > 10);
  const asked = [
    ...alerts.map(({ alert, expr }) => [alert, expr] as const),
    ...panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => [title, expr] as const),
    ),
  ];
  for (const [where, expr] of asked) {
    const names = [...expr.matchAll(/\b(?:caisson|http|process)_[a-z_]+\b(?=[\s{[)]|$)/g)];
    const series = names.map(([name]) => name).filter((name) => !isLabel(name));
    assert.ok(series.length > 0 || expr.startsWith('up{'), `${where} asks for nothing: ${expr}`);
    for (const name of series) {
      assert.ok(known.has(name.replace(/_(?:bucket|sum|count)$/, '')), `${where}: no ${name}`);
    }
  }
});

/** Names that every instrument has once it was used. */
async function families(): Promise<Set<string>> {
  const text = readFileSync(join(import.meta.dirname, '../../docs/telemetry.md'), 'utf8');
  await using telemetry = await openTelemetry({}, {});
  const now = await telemetry.renderMetrics();
  const written = [...text.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, name]) => name ?? '');
  return new Set([
    ...written,
    ...[...now.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name ?? ''),
  ]);
}

const LABELS =
  /^(?:caisson_(?:wall|outcome_kind|violation_kind|limit|admission_decision|module_action|network_allowed|sandbox_state|operation|language|telemetry_signal|tenant)|http_(?:request_method|route|response_status_code))$/;

function isLabel(name: string): boolean {
  return LABELS.test(name);
}

function panelsOf({ panels = [], ...panel }: Panel): Panel[] {
  return [panel, ...panels.flatMap(panelsOf)].filter(({ targets }) => targets !== undefined);
}
