/** A guest process over a WebSocket: to its end, or left alone in the middle. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Tenant } from './ledger.ts';
import type { Load } from './load.ts';

export async function guestOverWebSocket(load: Load, id: string, tenant: Tenant): Promise<void> {
  const { socketPath } = load.client;
  const socket = new WebSocket(`ws+unix:${socketPath}:/api/sandboxes/${id}/spawn`, {
    headers: { authorization: `Bearer ${load.tokens[tenant]}`, host: 'caisson' },
  });
  let last: Record<string, unknown> = {};
  socket.on('message', (data: Buffer, isBinary) => {
    if (!isBinary) last = JSON.parse(data.toString('utf8')) as Record<string, unknown>;
  });
  let refused = 0;
  socket.on('unexpected-response', (_, response) => {
    refused = response.statusCode ?? 0;
    response.resume();
    socket.terminate();
  });
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  const isOpen = await Promise.race([
    once(socket, 'open').then(() => true),
    closed.then(() => false),
  ]).catch(() => false);
  if (!isOpen) {
    load.ledger.count(`spawn: ${refused === 0 ? 'broken' : refused}`);
    const isKnown = [0, 404, 409].includes(refused) || (refused === 503 && load.isEnding);
    if (!isKnown) load.ledger.blame(`spawn: refused with ${refused}`);
    return;
  }
  const detach = load.random.chance(0.3);
  const argv = ['sh', '-c', detach ? 'sleep 30' : 'cat | wc -c; seq 2000'];
  socket.send(JSON.stringify({ argv, ...(detach ? { detach } : {}) }));
  const leaving = detach || load.random.chance(0.1);
  socket.send(Buffer.concat([Buffer.of(0), Buffer.alloc(load.random.between(1, 50_000), 'a')]));
  if (leaving) setTimeout(() => socket.terminate(), load.random.between(1, 150));
  else socket.send(JSON.stringify({ type: 'end' }));
  await closed;
  const { type, problem, outcome } = last as {
    type?: string;
    problem?: { code: string; detail: string };
    outcome?: { auditId: string };
  };
  load.ledger.count(`spawn: ${leaving ? 'left' : (problem?.code ?? type ?? 'broken')}`);
  if (leaving) return;
  if (problem !== undefined && !load.explains(problem.code))
    load.ledger.blame(`spawn: ${JSON.stringify(problem)}`);
  if (outcome !== undefined) load.ledger.record('ended', outcome.auditId);
}
