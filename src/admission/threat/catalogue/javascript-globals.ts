/** Globals of the language, of browsers, Deno, Bun and the Windows Script Host. Long, as lists are. */
import type { Use } from '../facts.ts';
import { LABELS } from '../labels.ts';
import { FOLDS } from './decoders.ts';
import { addEntries, type Catalogue } from './entry.ts';

const {
  secret,
  environment,
  identity,
  file,
  network,
  output,
  encoded,
  decoded,
  surroundings,
  input,
} = LABELS;

export function addGlobals(catalogue: Catalogue): void {
  addLanguage(catalogue);
  addBrowser(catalogue);
  addDeno(catalogue);
  addBun(catalogue);
  addWindowsScriptHost(catalogue);
}

const isText = (use: Use): boolean => {
  const first = use.args[0];
  return first !== undefined && first.items === undefined && !isFunction(first.path);
};
const isFunction = (path: string | undefined): boolean => path?.startsWith('function') === true;

/** `setTimeout('text')` is eval; `setTimeout(f)` is not. */
const ofText = (use: Use): boolean => typeof use.args[0]?.constant === 'string';

function addLanguage(catalogue: Catalogue): void {
  const code = { family: 'dynamic-code', acts: ['evaluate'] } as const;
  addEntries(catalogue, { ...code, does: 'runs a text as code', when: isText }, 'global.eval');
  // `eval` may be among them: nobody can tell which one it is.
  addEntries(
    catalogue,
    { family: 'dynamic-code', does: 'calls a global by a name that is computed' },
    'global[]',
  );
  addEntries(
    catalogue,
    { ...code, does: 'makes a function of a text' },
    'global.{Function,AsyncFunction,GeneratorFunction,execScript} global.Reflect.construct.Function',
  );
  addEntries(
    catalogue,
    { ...code, does: 'runs a text as code after a while', when: ofText },
    'global.{setTimeout,setInterval,setImmediate}',
  );
  addEntries(
    catalogue,
    { family: 'module-loading', acts: ['load-module'], does: 'loads code from elsewhere' },
    'global.importScripts',
  );
  addEntries(
    catalogue,
    { gives: surroundings, passes: false },
    'global.Date.now global.performance.now',
  );
  addEntries(
    catalogue,
    { gives: surroundings },
    'global.Date global.Intl.DateTimeFormat().resolvedOptions global.Intl.DateTimeFormat',
  );
  addEntries(
    catalogue,
    { marks: encoded, acts: ['encode'] },
    'global.{btoa,escape,encodeURIComponent}',
  );
  addEntries(
    catalogue,
    { passes: true },
    'global.{encodeURI,String,JSON.stringify,JSON.parse,Object.*}',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'], fold: FOLDS.base64 },
    'global.atob npm:atob npm:{js-base64,base-64,base64-js}.{decode,atob,toByteArray} npm:js-base64.Base64.decode',
  );
  addEntries(
    catalogue,
    { marks: decoded, fold: FOLDS.percent },
    'global.unescape global.decodeURIComponent global.decodeURI',
  );
  addEntries(
    catalogue,
    { marks: decoded, fold: FOLDS.fromCodes },
    'global.String.fromCharCode global.String.fromCodePoint',
  );
  addEntries(catalogue, { marks: decoded, acts: ['decode'] }, 'global.TextDecoder().decode');
  addEntries(
    catalogue,
    { marks: encoded, acts: ['encode', 'encrypt'] },
    'global.crypto.subtle.encrypt npm:crypto-js.{AES,DES,TripleDES,RC4,Rabbit}.encrypt',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'] },
    'global.crypto.subtle.decrypt npm:crypto-js.{AES,DES,TripleDES,RC4,Rabbit}.decrypt npm:crypto-js.enc.Base64.parse npm:{pako,fflate,lz-string}.*',
  );
}

function addBrowser(catalogue: Catalogue): void {
  const talks = { family: 'network', gives: network, calls: network } as const;
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'sends a request over the network' },
    'global.fetch global.XMLHttpRequest().{open,send} global.navigator.sendBeacon global.{WebSocket,EventSource,WebTransport,RTCPeerConnection} global.WebSocket().send ?.sendBeacon',
  );
  addEntries(
    catalogue,
    { ...talks, weight: 0.9, does: 'prepares a request' },
    'global.XMLHttpRequest',
  );
  addEntries(
    catalogue,
    {
      ...talks,
      weight: 0.8,
      acts: ['send'],
      does: 'loads an image by its address, which can carry data away',
    },
    'global.Image().src',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['read-secret'],
      gives: secret,
      onRead: true,
      does: 'reads cookies of the page',
    },
    'global.document.cookie global.cookieStore.{get,getAll} global.chrome.cookies.*',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      weight: 0.5,
      gives: secret,
      acts: ['read-secret'],
      onRead: true,
      does: 'reads what pages keep',
    },
    'global.localStorage.getItem global.sessionStorage.getItem global.localStorage.* global.indexedDB.open',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['capture'],
      gives: input,
      does: 'reads the clipboard',
    },
    'global.navigator.clipboard.{read,readText} npm:clipboardy.{read,readSync} npm:copy-paste.paste npm:node-clipboardy.*',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['capture'],
      gives: secret | input,
      does: 'uses a wallet in the browser',
    },
    'global.ethereum.{request,send,sendAsync} global.solana.{connect,signTransaction,signAllTransactions} global.tronWeb.*',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['capture'],
      gives: input,
      does: 'records camera, microphone or screen',
    },
    'global.navigator.mediaDevices.{getUserMedia,getDisplayMedia} global.navigator.getUserMedia',
  );
  addEntries(
    catalogue,
    { gives: surroundings | identity, onRead: true, acts: ['look-around', 'identify'] },
    'global.navigator.{userAgent,platform,language,languages,webdriver,hardwareConcurrency,plugins} global.screen.* global.location.* global.document.referrer',
  );
  addEntries(
    catalogue,
    { gives: input, calls: input },
    'global.{document,window}.addEventListener global.document.getElementById().value',
  );
  addEntries(
    catalogue,
    {
      acts: ['evaluate'],
      weight: 0.6,
      family: 'dynamic-code',
      does: 'writes into the page, which runs what it holds',
    },
    'global.document.{write,writeln}',
  );
}

function addDeno(catalogue: Catalogue): void {
  addEntries(
    catalogue,
    { family: 'child-process', acts: ['run'], gives: output, does: 'starts a program' },
    'global.Deno.{run,Command} global.Deno.Command().{output,outputSync,spawn}',
  );
  addEntries(
    catalogue,
    { family: 'native-code', acts: ['native'], does: 'loads machine code' },
    'global.Deno.dlopen',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['read-file'], gives: file, does: 'reads a file' },
    'global.Deno.{readFile,readTextFile,readFileSync,readTextFileSync,open,openSync,stat,lstat}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['write-file'], does: 'writes a file' },
    'global.Deno.{writeFile,writeTextFile,writeFileSync,writeTextFileSync,create,copyFile,rename,symlink,link,mkdir}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['remove-file'], does: 'removes files' },
    'global.Deno.{remove,removeSync}',
  );
  addEntries(
    catalogue,
    {
      family: 'filesystem',
      acts: ['list-files'],
      gives: LABELS.listing,
      does: 'lists a directory',
    },
    'global.Deno.{readDir,readDirSync}',
  );
  addEntries(
    catalogue,
    {
      family: 'network',
      acts: ['send', 'receive'],
      gives: network,
      does: 'opens a connection to another machine',
    },
    'global.Deno.{connect,connectTls,resolveDns}',
  );
  addEntries(
    catalogue,
    {
      family: 'network',
      acts: ['listen'],
      gives: network,
      calls: network,
      does: 'listens for connections',
    },
    'global.Deno.{serve,listen,listenTls}',
  );
  addEntries(
    catalogue,
    { family: 'process-manipulation', acts: ['signal'], does: 'ends or signals a process' },
    'global.Deno.{exit,kill}',
  );
  addEntries(
    catalogue,
    {
      gives: identity,
      acts: ['identify'],
      family: 'credential-harvesting',
      weight: 0.35,
      does: 'asks who and where it is',
    },
    'global.Deno.{hostname,networkInterfaces,uid,gid,osRelease}',
  );
}

function addBun(catalogue: Catalogue): void {
  addEntries(
    catalogue,
    { family: 'child-process', acts: ['run'], gives: output, does: 'starts a program' },
    'global.Bun.{spawn,spawnSync} global.Bun.$ npm:bun.{spawn,spawnSync,$}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['read-file'], gives: file, does: 'reads a file' },
    'global.Bun.file().{text,json,arrayBuffer,stream}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['write-file'], does: 'writes a file' },
    'global.Bun.write',
  );
  addEntries(
    catalogue,
    { family: 'network', acts: ['listen'], gives: network, does: 'talks over the network' },
    'global.Bun.{serve,listen,connect}',
  );
  addEntries(
    catalogue,
    { family: 'native-code', acts: ['native'], does: 'loads machine code' },
    'npm:bun:ffi.{dlopen,cc,CFunction} node:ffi.*',
  );
}

const component = (args: Use['args']): string | undefined => {
  const name = args[0]?.constant;
  return typeof name === 'string' ? `com:${name.toLowerCase()}` : undefined;
};

/**
 * JScript for the Windows Script Host: programs in a script, run by a double click. Its objects are named by texts:
 * `new ActiveXObject('WScript.Shell')` is `com:wscript.shell`.
 */
function addWindowsScriptHost(catalogue: Catalogue): void {
  addEntries(
    catalogue,
    { names: component, passes: false },
    'global.ActiveXObject global.WScript.CreateObject global.WSH.CreateObject global.GetObject',
  );
  addEntries(
    catalogue,
    {
      family: 'child-process',
      acts: ['run', 'shell'],
      does: 'starts a program through the Windows shell',
    },
    'com:wscript.shell.{Run,Exec,run,exec} com:shell.application.{ShellExecute,shellExecute,Open} ?.{ShellExecute,shellExecute}',
  );
  addEntries(
    catalogue,
    { family: 'persistence', acts: ['persist'], does: 'writes to the Windows registry' },
    'com:wscript.shell.{RegWrite,regWrite} ?.{RegWrite,regWrite}',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['read-environment'],
      gives: environment,
      weight: 0.4,
      does: 'reads the environment',
    },
    'com:wscript.shell.{ExpandEnvironmentStrings,Environment,expandEnvironmentStrings} ?.ExpandEnvironmentStrings',
  );
  addEntries(
    catalogue,
    {
      family: 'network',
      acts: ['send', 'receive'],
      gives: network,
      does: 'downloads over the network',
    },
    'com:{msxml2.xmlhttp,microsoft.xmlhttp,msxml2.serverxmlhttp,msxml2.xmlhttp.6.0,msxml2.xmlhttp.3.0,msxml2.serverxmlhttp.6.0,winhttp.winhttprequest.5.1}.{open,send,Open,Send,ResponseBody,responseBody,responseText,responsebody,ResponseText}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['write-file'], does: 'writes a file' },
    'com:adodb.stream.{SaveToFile,saveToFile,savetofile,Write,write,WriteText,writeText} ?.{SaveToFile,saveToFile,savetofile} com:scripting.filesystemobject.{CreateTextFile,OpenTextFile,CopyFile,MoveFile,createtextfile} ?.CreateTextFile',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['read-file'], gives: file, does: 'reads a file' },
    'com:adodb.stream.{LoadFromFile,loadFromFile,ReadText} ?.LoadFromFile com:scripting.filesystemobject.{GetFile,FileExists,GetFolder,getspecialfolder,GetSpecialFolder}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['remove-file'], does: 'removes files' },
    'com:scripting.filesystemobject.{DeleteFile,DeleteFolder,deletefile}',
  );
  addEntries(catalogue, { acts: ['sleep'] }, 'global.WScript.Sleep global.WSH.Sleep');
  addEntries(
    catalogue,
    { family: 'process-manipulation', weight: 0.9, does: 'ends the script' },
    'global.WScript.Quit',
  );
}
