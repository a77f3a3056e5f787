/** Builtins and the standard library of Python. Long, as lists are. */
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

export function addPythonStandard(catalogue: Catalogue): void {
  addCode(catalogue);
  addProcesses(catalogue);
  addFiles(catalogue);
  addNetwork(catalogue);
  addSurroundings(catalogue);
  addTransforms(catalogue);
}

const text = (value: Use['args'][number] | undefined): string | undefined =>
  typeof value?.constant === 'string' ? value.constant : undefined;

const module = (args: Use['args']): string | undefined => {
  const name = text(args[0]);
  return name === undefined ? undefined : `py:${name}`;
};

/** `getattr(x, 'y')` is `x.y`. */
const attribute = (args: Use['args']): string | undefined => {
  const name = text(args[1]);
  const of = args[0]?.path;
  return name === undefined ? undefined : `${of ?? '?'}.${name}`;
};

const unknownModule = (use: Use): boolean => text(use.args[0]) === undefined;

function addCode(catalogue: Catalogue): void {
  addEntries(
    catalogue,
    { family: 'dynamic-code', acts: ['evaluate'], does: 'runs a text as code' },
    'py:builtins.{exec,eval} py:__builtins__.{exec,eval} py:code.{interact,InteractiveInterpreter().runcode,InteractiveConsole().push} py:runpy.{run_path,run_module} py:pickle.{loads,load} py:marshal.{loads,load} py:types.{FunctionType,CodeType} py:cPickle.{loads,load} py:dill.{loads,load} py:timeit.timeit',
  );
  addEntries(
    catalogue,
    { family: 'dynamic-code', acts: ['evaluate'], weight: 0.6, does: 'compiles a text to code' },
    'py:builtins.compile py:codeop.compile_command',
  );
  addEntries(
    catalogue,
    {
      family: 'module-loading',
      acts: ['load-module'],
      names: module,
      when: unknownModule,
      does: 'loads a module that is known only when it runs',
    },
    'py:builtins.__import__ py:importlib.import_module py:importlib.__import__ py:imp.{load_source,load_module}',
  );
  addEntries(
    catalogue,
    {
      family: 'module-loading',
      acts: ['load-module'],
      does: 'loads a module from a place of its own',
    },
    'py:importlib.util.{spec_from_file_location,module_from_spec,spec_from_loader} py:importlib.machinery.* py:zipimport.zipimporter py:sys.meta_path.{append,insert} py:sys.path_hooks.{append,insert}',
  );
  addEntries(catalogue, { names: attribute }, 'py:builtins.getattr');
  addEntries(
    catalogue,
    { family: 'native-code', acts: ['native'], does: 'calls machine code' },
    'py:ctypes.{CDLL,WinDLL,OleDLL,PyDLL,cdll,windll,oledll,pythonapi,CFUNCTYPE,WINFUNCTYPE}{,.*} py:ctypes.util.find_library py:ctypes.{memmove,memset,string_at,cast} py:_ctypes.*',
  );
  addEntries(
    catalogue,
    {
      family: 'resource-abuse',
      acts: ['worker'],
      weight: 0.4,
      does: 'starts threads or processes',
    },
    'py:threading.Thread py:multiprocessing.{Process,Pool} py:concurrent.futures.{ThreadPoolExecutor,ProcessPoolExecutor}',
  );
}

function addProcesses(catalogue: Catalogue): void {
  const runs = { family: 'child-process', gives: output } as const;
  addEntries(
    catalogue,
    { ...runs, acts: ['run', 'shell'], does: 'starts a program through a shell' },
    'py:os.{system,popen,startfile} py:subprocess.{getoutput,getstatusoutput} py:commands.{getoutput,getstatusoutput} py:asyncio.create_subprocess_shell py:pty.spawn py:nt.{system,startfile} py:posix.system py:popen2.*',
  );
  addEntries(
    catalogue,
    { ...runs, acts: ['run'], does: 'starts a program' },
    'py:subprocess.{run,call,check_call,check_output,Popen} py:asyncio.{create_subprocess_exec,subprocess.create_subprocess_exec} py:os.{execl,execle,execlp,execlpe,execv,execve,execvp,execvpe,spawnl,spawnle,spawnlp,spawnlpe,spawnv,spawnve,spawnvp,spawnvpe,posix_spawn,posix_spawnp} py:webbrowser.{open,open_new,open_new_tab}',
  );
  addEntries(
    catalogue,
    { family: 'resource-abuse', acts: ['worker'], does: 'splits the process in two' },
    'py:os.{fork,forkpty}',
  );
  addEntries(
    catalogue,
    { family: 'process-manipulation', acts: ['signal'], does: 'sends a signal to a process' },
    'py:os.{kill,killpg,abort} py:signal.{pidfd_send_signal,pthread_kill}',
  );
  addEntries(
    catalogue,
    { family: 'process-manipulation', weight: 0.9, does: 'ends the process of the host' },
    'py:os._exit py:sys.exit py:builtins.{exit,quit}',
  );
  addEntries(
    catalogue,
    {
      family: 'process-manipulation',
      does: 'changes the identity or the directory of the process',
    },
    'py:os.{setuid,setgid,seteuid,setegid,setreuid,setresuid,setgroups,chroot,chdir,setsid,nice,dup2,umask} py:signal.{signal,alarm} py:sys.{settrace,setprofile} py:resource.setrlimit py:prctl.*',
  );
}

/** Of an open file it is not known what for: both. */
const opened = {
  family: 'filesystem',
  acts: ['read-file', 'write-file'],
  gives: file,
  does: 'opens a file',
} as const;

function addFiles(catalogue: Catalogue): void {
  addEntries(
    catalogue,
    opened,
    'py:builtins.open py:io.{open,FileIO,open_code} py:codecs.open py:os.{open,fdopen} py:gzip.open py:bz2.open py:lzma.open py:zipfile.ZipFile py:tarfile.{open,TarFile} py:shelve.open py:dbm.open py:mmap.mmap py:linecache.getline py:fileinput.input',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['read-file'], gives: file, does: 'reads a file' },
    'py:pathlib.Path().{read_text,read_bytes,open} ?.{read_text,read_bytes} py:pathlib.Path.home().read_text py:os.{read,sendfile}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['write-file'], does: 'writes a file' },
    'py:pathlib.Path().{write_text,write_bytes,touch,rename,replace,symlink_to,mkdir} ?.{write_text,write_bytes} py:builtins.open().{write,writelines} py:os.{write,rename,replace,link,symlink,mkdir,makedirs,truncate,mkfifo,mknod} py:shutil.{copy,copy2,copyfile,copytree,move,copyfileobj} py:zipfile.ZipFile().{extractall,extract,write,writestr} py:tarfile.open().{extractall,extract,add} py:tempfile.NamedTemporaryFile().write py:io.open().write py:shutil.unpack_archive',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', weight: 0.6, does: 'makes a temporary file' },
    'py:tempfile.{NamedTemporaryFile,TemporaryFile,mkstemp,mkdtemp,TemporaryDirectory,SpooledTemporaryFile}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['archive'], gives: file, does: 'packs files' },
    'py:shutil.make_archive',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['remove-file'], does: 'removes files' },
    'py:os.{remove,unlink,rmdir,removedirs} py:shutil.rmtree py:pathlib.Path().{unlink,rmdir} ?.unlink',
  );
  addEntries(
    catalogue,
    {
      family: 'filesystem',
      acts: ['list-files'],
      gives: LABELS.listing,
      does: 'lists a directory',
    },
    'py:os.{listdir,walk,scandir,fwalk} py:glob.{glob,iglob} py:pathlib.Path().{iterdir,glob,rglob,walk} ?.{iterdir,rglob}',
  );
  addEntries(
    catalogue,
    {
      family: 'filesystem',
      acts: ['make-executable'],
      does: 'changes who may read, write or run a file',
    },
    'py:os.{chmod,chown,lchown,fchmod,fchown} py:pathlib.Path().chmod',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', weight: 0.9, gives: identity, does: 'asks whether a file is there' },
    'py:os.{stat,lstat,access} py:os.path.{exists,isfile,isdir,getsize,getmtime,islink,lexists} py:pathlib.Path().{exists,is_file,is_dir,stat}',
  );
  addEntries(
    catalogue,
    {
      family: 'filesystem',
      acts: ['read-file', 'write-file'],
      gives: file,
      does: 'opens a database in a file',
    },
    'py:sqlite3.connect',
  );
  addEntries(
    catalogue,
    { gives: file, passes: true },
    'py:sqlite3.connect().cursor().{fetchall,fetchone}',
  );
}

function addNetwork(catalogue: Catalogue): void {
  const talks = { family: 'network', gives: network } as const;
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'sends a request over the network' },
    'py:urllib.request.{urlopen,urlretrieve,build_opener().open,URLopener().open} py:urllib.{urlopen,urlretrieve} py:urllib2.urlopen py:http.client.{HTTPConnection,HTTPSConnection}().{request,getresponse,send} py:httplib.{HTTPConnection,HTTPSConnection}().request py:xmlrpc.client.{ServerProxy,Server} ?.{urlopen,urlretrieve}',
  );
  addEntries(
    catalogue,
    { ...talks, weight: 0.9, does: 'prepares a request' },
    'py:urllib.request.{Request,build_opener,install_opener} py:urllib2.Request py:http.client.{HTTPConnection,HTTPSConnection} py:httplib.{HTTPConnection,HTTPSConnection}',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'opens a connection to another machine' },
    'py:socket.{create_connection,socket}{,().send,().sendall,().sendto,().connect,().connect_ex,().recv,().recvfrom} py:asyncio.{open_connection,open_unix_connection} py:ssl.{wrap_socket,SSLContext().wrap_socket} py:telnetlib.Telnet{,.*} py:ftplib.{FTP,FTP_TLS}{,.*} py:imaplib.* py:poplib.*',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['send'], does: 'sends mail' },
    'py:smtplib.{SMTP,SMTP_SSL}{,.*}',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['listen'], does: 'listens for connections' },
    'py:socket.{create_server,socket().bind,socket().listen,socket().accept} py:http.server.{HTTPServer,ThreadingHTTPServer} py:socketserver.* py:asyncio.start_server py:xmlrpc.server.*',
  );
  addEntries(
    catalogue,
    {
      ...talks,
      gives: network | identity,
      acts: ['resolve'],
      does: 'asks the name service, which can carry data away',
    },
    'py:socket.{gethostbyname,gethostbyname_ex,getaddrinfo,gethostbyaddr,getnameinfo}',
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
    'py:os.{environ,environb} py:os.environ.{items,values,copy}',
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
    'py:os.environ.* py:os.getenv py:os.environ[] py:os.path.expandvars',
  );
  addEntries(
    catalogue,
    { family: 'process-manipulation', weight: 0.3, does: 'changes the environment of the process' },
    'py:os.{putenv,unsetenv} py:os.environ.{update,setdefault,pop}',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      weight: 0.35,
      gives: identity | surroundings,
      acts: ['identify', 'look-around'],
      does: 'asks who and where it is',
    },
    'py:socket.{gethostname,getfqdn} py:platform.node py:getpass.getuser py:os.{getlogin,uname} py:pwd.{getpwuid,getpwnam,getpwall} py:uuid.getnode py:pathlib.Path.home',
  );
  addEntries(
    catalogue,
    { gives: identity },
    'py:os.path.expanduser py:os.{getcwd,getpid,getuid} py:site.getusersitepackages',
  );
  addEntries(
    catalogue,
    {
      family: 'evasion',
      weight: 0.3,
      gives: surroundings,
      acts: ['look-around'],
      does: 'asks what machine it is on',
    },
    'py:platform.* py:sys.{gettrace,getwindowsversion} py:locale.{getdefaultlocale,getlocale} py:os.cpu_count py:sys.getprofile',
  );
  addEntries(
    catalogue,
    { gives: surroundings, onRead: true, acts: ['look-around'] },
    'py:sys.platform py:os.name py:time.{time,localtime,gmtime,monotonic} py:datetime.datetime.{now,today,utcnow} py:datetime.date.today',
  );
  addEntries(catalogue, { acts: ['sleep'] }, 'py:time.sleep py:asyncio.sleep');
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['capture'],
      gives: input,
      does: 'asks a person for a secret',
      weight: 0.5,
    },
    'py:getpass.getpass',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['read-secret'],
      gives: secret,
      does: 'reads password hashes',
    },
    'py:spwd.*',
  );
  addEntries(
    catalogue,
    { family: 'persistence', acts: ['persist'], does: 'changes the Windows registry' },
    'py:winreg.{SetValueEx,SetValue,CreateKey,CreateKeyEx} py:_winreg.{SetValueEx,SetValue,CreateKey}',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      weight: 0.6,
      gives: secret,
      acts: ['look-around'],
      does: 'reads the Windows registry',
    },
    'py:winreg.{QueryValueEx,QueryValue,EnumKey,EnumValue} py:_winreg.{QueryValueEx,EnumValue}',
  );
  addEntries(
    catalogue,
    {
      family: 'persistence',
      acts: ['persist'],
      weight: 0.6,
      does: 'runs something when the program ends',
    },
    'py:atexit.register',
  );
}

function addTransforms(catalogue: Catalogue): void {
  addEntries(
    catalogue,
    { marks: encoded, acts: ['encode'] },
    'py:base64.{b64encode,b32encode,b16encode,b85encode,a85encode,standard_b64encode,urlsafe_b64encode,encodebytes,encodestring} py:binascii.{hexlify,b2a_base64,b2a_hex} py:codecs.encode py:urllib.parse.{quote,quote_plus,urlencode} py:zlib.compress py:gzip.compress py:bz2.compress py:lzma.compress py:marshal.dumps py:pickle.dumps',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'], fold: FOLDS.base64 },
    'py:base64.{b64decode,standard_b64decode,urlsafe_b64decode,decodebytes,decodestring} py:binascii.a2b_base64',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'], fold: FOLDS.base32 },
    'py:base64.b32decode',
  );
  addEntries(catalogue, { marks: decoded, acts: ['decode'] }, 'py:base64.{b85decode,a85decode}');
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'], fold: FOLDS.hex },
    'py:binascii.{unhexlify,a2b_hex} py:base64.b16decode py:builtins.bytes.fromhex py:builtins.bytearray.fromhex',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'], fold: FOLDS.unpack },
    'py:zlib.decompress py:gzip.decompress',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'] },
    'py:bz2.decompress py:lzma.decompress',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'], fold: FOLDS.decodeAs },
    'py:codecs.decode',
  );
  addEntries(
    catalogue,
    { fold: FOLDS.fromCodes, marks: decoded },
    'py:builtins.{chr,unichr,bytes,bytearray}',
  );
  addEntries(catalogue, { fold: FOLDS.reversed }, 'py:builtins.reversed');
  addEntries(
    catalogue,
    { fold: FOLDS.percent, marks: decoded },
    'py:urllib.parse.{unquote,unquote_plus}',
  );
}
