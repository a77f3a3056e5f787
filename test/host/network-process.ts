/** Has the sockets of networks that it is sent, and serves them. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { bindTo, listenOn, receiveNetworks } from '../../src/launcher/network-handles.ts';

receiveNetworks(process, (_id, handles) => {
  const tcp = createServer((socket) =>
    socket.resume().end(`elsewhere ${socket.localAddress} ${socket.localPort}`),
  );
  const names = createSocket('udp4');
  names.on('message', (_question, from) => names.send('elsewhere', from.port, from.address));
  listenOn(tcp, handles.tcp);
  listenOn(
    createServer((socket) => socket.resume().end()),
    handles.dnsTcp,
  );
  bindTo(names, handles.dnsUdp);
});
