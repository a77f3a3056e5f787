/** The proxy's own program with faults in it, which what a guest sends brings out: `fault-bounds.test.ts`. */
import { AsyncResource } from 'node:async_hooks';
import { CheckedNames } from '../../src/network/checked-names.ts';
import { FirstBytes } from '../../src/network/first-bytes.ts';
import { InwardRelay } from '../../src/network/inward-relay.ts';
import { Judge } from '../../src/network/judge.ts';

const fault = (): never => {
  throw new TypeError('what nobody thought of');
};
const nobodys = new AsyncResource('nobody');

const { push } = FirstBytes.prototype;
FirstBytes.prototype.push = function (chunk) {
  const text = chunk.toString('latin1');
  if (text.includes('event')) fault();
  if (text.includes('timer')) setTimeout(fault, 1);
  if (text.includes('promise')) void Promise.resolve().then(fault);
  if (text.includes('nobody')) nobodys.runInAsyncScope(() => setTimeout(fault, 1));
  return push.call(this, chunk);
};
const { connection } = Judge.prototype;
Judge.prototype.connection = async function (facts) {
  if (facts.name === 'decision.example') fault();
  return await connection.call(this, facts);
};
const { resolve } = CheckedNames.prototype;
CheckedNames.prototype.resolve = async function (name, family) {
  if (name === 'query.example') fault();
  return await resolve.call(this, name, family);
};
const { join } = InwardRelay.prototype;
InwardRelay.prototype.join = async function (socket, id, port) {
  const told = await join.call(this, socket, id, port);
  if (port === 6661) socket.on('data', fault);
  if (port === 6662) setTimeout(fault, 1);
  if (port === 6663) fault();
  return told;
};
await import('../../src/network/proxy-process.ts');
