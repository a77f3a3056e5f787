/**
 * What lies beyond the host: stands in a network namespace of its own, which the process that started it joins to the
 * host's by a veth pair. It knows no way back but to the host's own address.
 */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { ADDRESSES, type Arrived, GATEWAY, UNREACHED } from './packets-client.ts';

const seen: string[] = [];

process.on('message', async (what: 'begin' | 'tell') => {
  if (what === 'begin') await begin();
  process.send?.(tell());
});
process.on('disconnect', () => process.exit(0));
process.send?.('here');

async function begin(): Promise<void> {
  const ip = (...argv: string[]): Buffer => execFileSync('ip', argv);
  ip('link', 'set', 'lo', 'up');
  ip('address', 'add', `${GATEWAY}/24`, 'dev', 'net0');
  for (const address of [...ADDRESSES, UNREACHED])
    ip('address', 'add', `${address}/32`, 'dev', 'lo');
  ip('link', 'set', 'net0', 'up');
  for (const address of [...ADDRESSES, UNREACHED]) {
    const server = createServer((socket) => {
      seen.push(`tcp ${address} from ${socket.remoteAddress}`);
      socket.on('error', () => {});
      socket.end('hello\n');
    });
    await new Promise<void>((resolve) => server.listen(80, address, resolve));
    const socket = createSocket('udp4');
    socket.on('message', (data, from) => {
      seen.push(`udp ${address} from ${from.address}`);
      socket.send(`echo ${data}`, from.port, from.address);
    });
    await new Promise<void>((resolve) => socket.bind(7000, address, resolve));
  }
}

/** As the kernel counted it: what no server of ours could hear. */
function tell(): Arrived {
  const text = readFileSync('/proc/self/net/snmp', 'utf8');
  const counter = (group: string, name: string): number => {
    const [names = '', values = ''] = text
      .split('\n')
      .filter((line) => line.startsWith(`${group}: `));
    return Number(values.split(' ')[names.split(' ').indexOf(name)]);
  };
  return {
    echoes: counter('Icmp', 'InEchos'),
    unknown: counter('Ip', 'InUnknownProtos'),
    received: counter('Ip', 'InReceives'),
    seen: seen.splice(0),
  };
}
