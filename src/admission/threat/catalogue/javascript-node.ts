/** Builtin modules of Node, and `process`. Long, as lists are. */
import type { Use } from '../facts.ts';
import { LABELS } from '../labels.ts';
import { FOLDS } from './decoders.ts';
import { addEntries, type Catalogue } from './entry.ts';

const { secret, environment, identity, file, network, output, encoded, decoded, surroundings } =
  LABELS;

export function addNode(catalogue: Catalogue): void {
  addProcesses(catalogue);
  addFiles(catalogue);
  addNetwork(catalogue);
  addCode(catalogue);
  addSurroundings(catalogue);
  addTransforms(catalogue);
}

function addProcesses(catalogue: Catalogue): void {
  const runs = { family: 'child-process', gives: output, calls: output } as const;
  addEntries(
    catalogue,
    { ...runs, acts: ['run', 'shell'], does: 'starts a program through a shell' },
    'node:child_process.{exec,execSync} ?.execSync',
  );
  addEntries(
    catalogue,
    { ...runs, acts: ['run'], does: 'starts a program' },
    'node:child_process.{spawn,spawnSync,execFile,execFileSync,fork} node:process.binding.spawn_sync',
  );
  addEntries(
    catalogue,
    {
      family: 'child-process',
      acts: ['worker'],
      weight: 0.6,
      does: 'starts another copy of this program',
    },
    'node:cluster.fork',
  );
  addEntries(
    catalogue,
    { family: 'resource-abuse', acts: ['worker'], weight: 0.5, does: 'starts another thread' },
    'node:worker_threads.Worker global.Worker global.SharedWorker',
  );
  addEntries(
    catalogue,
    { family: 'process-manipulation', acts: ['signal'], does: 'sends a signal to a process' },
    'global.process.kill node:process.kill',
  );
  addEntries(
    catalogue,
    { family: 'process-manipulation', weight: 0.9, does: 'ends the process of the host' },
    'global.process.{exit,abort,reallyExit,_kill} node:process.{exit,abort,reallyExit}',
  );
  addEntries(
    catalogue,
    {
      family: 'process-manipulation',
      does: 'changes the identity or the directory of the process',
    },
    'global.process.{setuid,setgid,seteuid,setegid,setgroups,initgroups,chdir,umask,setUncaughtExceptionCaptureCallback,_debugProcess,_debugEnd} node:process.{chdir,setuid,setgid} node:os.setPriority',
  );
  addEntries(
    catalogue,
    {
      family: 'process-manipulation',
      weight: 0.5,
      does: 'listens for events of the process of the host',
    },
    'global.process.{on,once,addListener,prependListener,removeAllListeners,emit}',
  );
}

function addFiles(catalogue: Catalogue): void {
  const files = { family: 'filesystem' } as const;
  addEntries(catalogue, { ...files, weight: 1, does: 'works on files' }, 'node:fs.*');
  addEntries(
    catalogue,
    { does: 'names constants of files', passes: false },
    'node:fs.constants node:fs.constants.* node:fs.{Stats,Dirent,Dir}',
  );
  addEntries(
    catalogue,
    { ...files, acts: ['read-file'], gives: file, calls: file, does: 'reads a file' },
    'node:fs.{readFile,readFileSync,createReadStream,read,readSync,readv,readvSync,openAsBlob} ?.readFileSync node:fs.open() node:fs.open().{readFile,read}',
  );
  addEntries(
    catalogue,
    {
      ...files,
      acts: ['read-file'],
      gives: identity,
      weight: 1,
      does: 'asks whether a file is there',
    },
    'node:fs.{stat,statSync,lstat,lstatSync,exists,existsSync,access,accessSync,readlink,readlinkSync,realpath,realpathSync} node:fs.realpath{.native,Sync.native}',
  );
  addEntries(
    catalogue,
    {
      ...files,
      acts: ['list-files'],
      gives: LABELS.listing,
      calls: LABELS.listing,
      does: 'lists a directory',
    },
    'node:fs.{readdir,readdirSync,opendir,opendirSync,glob,globSync,watch,watchFile}',
  );
  addEntries(
    catalogue,
    { ...files, acts: ['write-file'], does: 'writes a file' },
    'node:fs.{writeFile,writeFileSync,appendFile,appendFileSync,createWriteStream,write,writeSync,writev,copyFile,copyFileSync,cp,cpSync,rename,renameSync,symlink,symlinkSync,link,linkSync,truncate,truncateSync,ftruncate} node:fs.createWriteStream().{write,end} ?.writeFileSync node:fs.open().{writeFile,write,appendFile}',
  );
  addEntries(
    catalogue,
    { ...files, acts: ['remove-file'], does: 'removes files' },
    'node:fs.{unlink,unlinkSync,rm,rmSync,rmdir,rmdirSync} ?.{unlinkSync,rmSync}',
  );
  addEntries(
    catalogue,
    { ...files, acts: ['make-executable'], does: 'changes who may read, write or run a file' },
    'node:fs.{chmod,chmodSync,fchmod,fchmodSync,lchmod,chown,chownSync,lchown} node:fs.open().{chmod,chown}',
  );
  addEntries(
    catalogue,
    { ...files, acts: ['read-file', 'write-file'], does: 'opens a database in a file' },
    'node:sqlite.DatabaseSync npm:{sqlite3,better-sqlite3}.*',
  );
}

function addNetwork(catalogue: Catalogue): void {
  const talks = { family: 'network', gives: network, calls: network } as const;
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'sends a request over the network' },
    'node:{http,https,http2}.{request,get,connect} node:{http,https}.request().{write,end} node:http2.connect().request ?.request',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'opens a connection to another machine' },
    'node:net.{connect,createConnection,Socket} node:tls.connect node:net.{connect,createConnection,Socket}().{write,end,connect,pipe} node:tls.connect().{write,end}',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'sends datagrams' },
    'node:dgram.createSocket node:dgram.createSocket().{send,connect}',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['listen'], does: 'listens for connections' },
    'node:{http,https,http2,net,tls}.{createServer,createSecureServer,Server} node:net.createServer().listen node:http.createServer().listen node:dgram.createSocket().bind',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['resolve'], does: 'asks the name service, which can carry data away' },
    'node:dns.* node:dns/promises.*',
  );
  addEntries(
    catalogue,
    { gives: identity, passes: false, acts: ['identify'] },
    'node:dns.{getServers,promises.getServers}',
  );
}

const withoutConstant = (use: Use): boolean => typeof use.args[0]?.constant !== 'string';

function addCode(catalogue: Catalogue): void {
  const code = { family: 'dynamic-code', acts: ['evaluate'] } as const;
  addEntries(
    catalogue,
    { ...code, does: 'runs a text as code' },
    'node:vm.{runInThisContext,runInNewContext,runInContext,compileFunction,Script,SourceTextModule} node:vm.Script().{runInThisContext,runInContext,runInNewContext} node:module._compile node:module.Module()._compile ?._compile',
  );
  addEntries(
    catalogue,
    { family: 'dynamic-code', weight: 0.6, does: 'makes a context to run code in' },
    'node:vm.{createContext,isContext}',
  );
  addEntries(
    catalogue,
    {
      family: 'dynamic-code',
      acts: ['evaluate'],
      weight: 1,
      does: 'opens the debugger to other programs',
    },
    'node:inspector.{open,Session} node:inspector/promises.{open,Session} node:repl.start',
  );
  addEntries(
    catalogue,
    {
      family: 'module-loading',
      acts: ['load-module'],
      does: 'loads a module that is known only when it runs',
      when: withoutConstant,
    },
    'global.require global.import node:module.createRequire() global.module.require global.require.main.require',
  );
  addEntries(
    catalogue,
    { family: 'module-loading', weight: 0.8, does: 'changes how modules are loaded' },
    'node:module.{createRequire,register,registerHooks,runMain,_load,_resolveFilename,_extensions,_cache,wrap} global.require.{cache,extensions}',
  );
  addEntries(
    catalogue,
    { family: 'native-code', acts: ['native'], does: 'loads machine code' },
    'global.process.dlopen node:process.dlopen npm:{ffi-napi,ffi,ref-napi,koffi,node-ffi}.* npm:{bindings,node-gyp-build}',
  );
  addEntries(
    catalogue,
    {
      family: 'native-code',
      acts: ['native'],
      weight: 0.5,
      does: 'compiles WASM, which this analysis does not look into',
    },
    'global.WebAssembly.{compile,instantiate,Module,Instance,compileStreaming,instantiateStreaming} node:wasi.WASI',
  );
}

function addSurroundings(catalogue: Catalogue): void {
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['read-environment'],
      gives: environment,
      onRead: true,
      does: 'reads the whole environment, where tokens and keys stand',
    },
    'global.process.env node:process.env global.Deno.env.toObject',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      weight: 0.3,
      acts: ['read-environment'],
      gives: environment,
      onRead: true,
      does: 'reads a variable of the environment',
    },
    'global.process.env.* node:process.env.* global.Deno.env.* global.Bun.env.* global.import.meta.env.*',
  );
  addEntries(
    catalogue,
    { passes: false, onRead: true, does: 'reads how it was built' },
    'global.process.env.{NODE_ENV,DEBUG,CI,FORCE_COLOR,NO_COLOR,TERM,LANG,NODE_DEBUG,COLORTERM,TZ} global.import.meta.env.{MODE,DEV,PROD}',
  );
  addEntries(
    catalogue,
    {
      gives: identity | surroundings,
      acts: ['identify', 'look-around'],
      family: 'credential-harvesting',
      weight: 0.35,
      does: 'asks who and where it is',
    },
    'node:os.{hostname,userInfo,networkInterfaces,homedir} node:dns.lookupService',
  );
  addEntries(
    catalogue,
    {
      gives: surroundings,
      acts: ['look-around'],
      family: 'evasion',
      weight: 0.3,
      does: 'asks what machine it is on',
    },
    'node:os.{cpus,totalmem,freemem,uptime,loadavg,release,version,machine,type,arch,platform}',
  );
  addEntries(
    catalogue,
    { gives: surroundings, onRead: true, acts: ['look-around'] },
    'global.process.{platform,arch,version,versions,release,execArgv,title,ppid} node:process.platform node:inspector.url global.process.execArgv',
  );
  addEntries(
    catalogue,
    { gives: identity, onRead: true, acts: ['identify'], passes: false },
    'global.process.{cwd,getuid,geteuid} global.{__dirname,__filename} node:os.tmpdir',
  );
  addEntries(
    catalogue,
    {
      gives: secret,
      acts: ['read-secret'],
      family: 'credential-harvesting',
      does: 'reads a store of passwords',
    },
    'npm:keytar.{getPassword,findPassword,findCredentials} npm:{node-keytar,keytar}.*',
  );
}

function addTransforms(catalogue: Catalogue): void {
  addEntries(
    catalogue,
    { marks: encoded, acts: ['encode', 'encrypt'] },
    'node:crypto.{createCipheriv,createCipher,publicEncrypt,privateEncrypt} node:crypto.createCipheriv().{update,final}',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'] },
    'node:crypto.{createDecipheriv,createDecipher,privateDecrypt} node:crypto.createDecipheriv().{update,final} node:crypto.createDecipher().{update,final}',
  );
  addEntries(
    catalogue,
    { marks: encoded, acts: ['encode', 'archive'] },
    'node:zlib.{gzip,gzipSync,deflate,deflateSync,deflateRaw,deflateRawSync,brotliCompress,brotliCompressSync,createGzip,createDeflate}',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'], fold: FOLDS.unpack },
    'node:zlib.{gunzip,gunzipSync,inflate,inflateSync,inflateRaw,inflateRawSync,unzip,unzipSync}',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'] },
    'node:zlib.{brotliDecompress,brotliDecompressSync,createGunzip}',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'], fold: FOLDS.decodeAs },
    'global.Buffer.from global.Buffer node:buffer.Buffer.from',
  );
  addEntries(
    catalogue,
    {
      passes: true,
      fold: (_, receiver) => FOLDS.same(receiver === undefined ? [] : [receiver], undefined),
    },
    'global.Buffer.from().toString global.Buffer().toString node:buffer.Buffer.from().toString',
  );
}
