/** Packages of npm that reach the network, files, programs or people. */
import { LABELS } from '../labels.ts';
import { addEntries, type Catalogue } from './entry.ts';

const { network, output, file, input, secret, identity, surroundings } = LABELS;

export function addPackages(catalogue: Catalogue): void {
  const talks = { family: 'network', gives: network, calls: network } as const;
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'sends a request over the network' },
    'npm:{axios,node-fetch,got,request,superagent,needle,undici,ky,phin,bent,isomorphic-fetch,cross-fetch,node-fetch-native,make-fetch-happen,minipass-fetch,request-promise,request-promise-native,wretch,ofetch,axios-retry,centra,httpx,unfetch,whatwg-fetch,follow-redirects,typed-rest-client,popsicle,sync-request,then-request,download,nugget,hyperquest,curlrequest}{,.*}',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'opens a connection to another machine' },
    'npm:{ws,websocket,faye-websocket,isomorphic-ws,socket.io-client,engine.io-client,mqtt,amqplib,ssh2,ssh2-sftp-client,node-ssh,basic-ftp,ftp,jsftp,ioredis,redis,mongodb,mysql,mysql2,pg,kafkajs,nats,zeromq,irc,socks,socks-proxy-agent,simple-peer,webtorrent}{,.*}',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['send'], does: 'sends messages to people' },
    'npm:{discord.js,discord-webhook-node,webhook-discord,discord-hook,discord.js-selfbot-v13,node-telegram-bot-api,telegraf,telegram,@slack/webhook,@slack/web-api,nodemailer,@sendgrid/mail,mailgun-js,twilio,slackbots}{,.*}',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'talks to a cloud' },
    'npm:{aws-sdk,@aws-sdk/client-s3,@aws-sdk/client-secrets-manager,@google-cloud/storage,@azure/storage-blob,@octokit/rest,octokit,dropbox,googleapis,firebase,firebase-admin,@supabase/supabase-js,ipfs-http-client}{,.*}',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['listen'], does: 'listens for connections' },
    'npm:{express,fastify,koa,restify,polka,h3,micro}().listen npm:{socket.io,ws}.Server npm:ws.WebSocketServer npm:{localtunnel,ngrok,@ngrok/ngrok}{,.*}',
  );
  const runs = { family: 'child-process', gives: output, calls: output } as const;
  addEntries(
    catalogue,
    { ...runs, acts: ['run'], does: 'starts a program' },
    'npm:{execa,cross-spawn,nano-spawn,tinyexec,spawn-command,node-pty,node-pty-prebuilt-multiarch,child_process_promise,spawn-sync,foreground-child,@npmcli/promise-spawn,child-process-promise,win-spawn,sudo-prompt,node-powershell,python-shell,open,opn,electron-open}{,.*}',
  );
  addEntries(
    catalogue,
    { ...runs, acts: ['run', 'shell'], does: 'starts a program through a shell' },
    'npm:shelljs.{exec,cmd} npm:shelljs/global npm:{zx,node-cmd,shell-exec,exec-sh}{,.*} npm:execa.{command,commandSync,execaCommand,execaCommandSync,$}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['write-file'], does: 'works on files' },
    'npm:shelljs.{rm,cp,mv,sed,chmod,mkdir,touch,ln} npm:{rimraf,del,trash,mkdirp,write-file-atomic,fs-jetpack,jsonfile,cpy,move-file,extract-zip,adm-zip,unzipper,tar,tar-fs,archiver}{,.*}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['list-files'], gives: LABELS.listing, does: 'lists files' },
    'npm:{glob,fast-glob,globby,tiny-glob,readdirp,klaw,walk,recursive-readdir,find-up}{,.*} npm:shelljs.{ls,find}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['read-file'], gives: file, does: 'reads files' },
    'npm:shelljs.{cat,grep,head,tail} npm:{load-json-file,read-pkg,read-pkg-up,dotenv}{,.*}',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['capture'],
      gives: input,
      does: 'takes the keys, the mouse or the screen of a person',
    },
    'npm:{iohook,uiohook-napi,node-global-key-listener,robotjs,screenshot-desktop,node-key-sender,active-win,gkm,keyboard-listener,@nut-tree/nut-js,node-webcam,desktop-screenshot}{,.*}',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['read-secret'],
      gives: secret,
      does: 'opens what a browser keeps encrypted',
    },
    'npm:{@primno/dpapi,win-dpapi,node-dpapi,dpapi,chrome-cookies-secure,chrome-cookies,browser-cookies,get-cookies}{,.*}',
  );
  addEntries(
    catalogue,
    { gives: identity | surroundings, acts: ['identify', 'look-around'] },
    'npm:{systeminformation,node-machine-id,public-ip,internal-ip,ip,macaddress,username,os-name,getmac,address,default-gateway,is-docker,is-ci,ci-info,wmi-client,geoip-lite}{,.*}',
  );
  addEntries(
    catalogue,
    { family: 'dynamic-code', acts: ['evaluate'], does: 'runs a text as code' },
    'npm:{vm2,safe-eval,eval,node-eval,require-from-string,static-eval,notevil,sandboxed-module,import-fresh,jsonpath-plus,bytenode,v8-sandbox,isolated-vm}{,.*}',
  );
  addEntries(
    catalogue,
    { family: 'persistence', acts: ['persist'], does: 'arranges that it is started again' },
    'npm:{auto-launch,node-windows,node-mac,node-linux,os-service,winreg,regedit,node-schedule-windows,crontab,pm2}{,.*}',
  );
}
