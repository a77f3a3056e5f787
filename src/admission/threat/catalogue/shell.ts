/** Programs that shell scripts start, variables and redirections. Long, as lists are. */
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

/** Words of a command, its options among them. */
export const wordsOf = (use: Use): string[] =>
  use.args.flatMap((value) => (typeof value.constant === 'string' ? [value.constant] : []));

const has =
  (...options: string[]) =>
  (use: Use): boolean =>
    wordsOf(use).some((word) => options.includes(word));

const text = (value: { constant?: unknown } | undefined): string | undefined =>
  typeof value?.constant === 'string' ? value.constant : undefined;

/** Of what a program reads: its input is not in the arguments that a fold sees, but the receiver. */
const ofInput =
  (fold: typeof FOLDS.base64): typeof FOLDS.base64 =>
  (_, receiver) =>
    receiver === undefined ? undefined : fold([receiver], undefined);

export function addShell(catalogue: Catalogue): void {
  addPrograms(catalogue);
  addFiles(catalogue);
  addNetwork(catalogue);
  addSystem(catalogue);
  addTransforms(catalogue);
}

function addPrograms(catalogue: Catalogue): void {
  addEntries(
    catalogue,
    { family: 'dynamic-code', acts: ['evaluate'], does: 'runs a text as commands' },
    'sh:eval',
  );
  addEntries(
    catalogue,
    {
      family: 'child-process',
      acts: ['run', 'evaluate'],
      gives: output,
      does: 'starts an interpreter',
    },
    'sh:{sh,bash,dash,zsh,ksh,ash,busybox,python,python2,python3,perl,ruby,node,php,lua,osascript,powershell,pwsh,powershell.exe,cmd,cmd.exe,deno,bun,tclsh,expect}',
  );
  addEntries(
    catalogue,
    {
      family: 'module-loading',
      acts: ['load-module', 'evaluate'],
      does: 'runs the commands of another file',
    },
    'sh:source sh:.',
  );
  addEntries(
    catalogue,
    {
      family: 'child-process',
      acts: ['run'],
      gives: output,
      does: 'starts a program by way of another',
    },
    'sh:{xargs,env,nohup,setsid,timeout,exec,command,sudo,su,doas,runuser,pkexec,unshare,parallel,find,watch,screen,tmux,script,stdbuf,nice,ionice,time,busybox,start-stop-daemon,systemd-run,at,batch,disown,awk,gawk,mawk}',
  );
  addEntries(
    catalogue,
    {
      family: 'child-process',
      acts: ['run'],
      weight: 0.9,
      gives: output,
      does: 'installs or builds software',
    },
    'sh:{apt,apt-get,yum,dnf,apk,pacman,brew,pip,pip3,npm,npx,yarn,pnpm,gem,go,cargo,make,gcc,cc,g++,docker,podman,kubectl,snap,dpkg,rpm}',
  );
  addEntries(
    catalogue,
    { family: 'process-manipulation', acts: ['signal'], does: 'ends or signals processes' },
    'sh:{kill,killall,pkill,fuser,taskkill,skill,xkill}',
  );
  addEntries(
    catalogue,
    {
      family: 'process-manipulation',
      weight: 0.6,
      gives: output,
      does: 'looks at processes of the machine',
    },
    'sh:{ps,pgrep,pidof,top,lsof,tasklist}',
  );
  addEntries(
    catalogue,
    { family: 'native-code', acts: ['native'], does: 'loads code into programs or the kernel' },
    'sh:{insmod,modprobe,kexec,gdb,ldconfig,rundll32,rundll32.exe,regsvr32,mshta}',
  );
}

function addFiles(catalogue: Catalogue): void {
  addEntries(
    catalogue,
    {
      family: 'filesystem',
      acts: ['read-file'],
      gives: file,
      does: 'reads files',
      // What is piped in is no file.
      when: (use) => use.input === undefined || use.args.length > 1,
    },
    'sh:{cat,head,tail,less,more,tac,nl,grep,egrep,fgrep,rg,sed,cut,sort,uniq,strings,wc,diff,cmp,mapfile,readarray,file,stat,md5sum,sha256sum,sha1sum}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['read-file'], gives: file, does: 'reads a file' },
    'sh:<',
  );
  addEntries(
    catalogue,
    {
      family: 'filesystem',
      acts: ['list-files'],
      gives: LABELS.listing,
      does: 'lists a directory',
    },
    'sh:{ls,tree,du,df,locate,which,whereis}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['write-file'], does: 'writes files' },
    'sh:> sh:>> sh:{tee,cp,mv,ln,install,touch,mkdir,mktemp,rsync,truncate,fallocate,patch,unzip,7z,split}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['remove-file'], does: 'removes files' },
    'sh:{rm,rmdir,unlink,shred,srm,wipe}',
  );
  addEntries(
    catalogue,
    {
      family: 'filesystem',
      acts: ['make-executable'],
      does: 'changes who may read, write or run a file',
    },
    'sh:{chmod,chown,chgrp,chattr,setfacl,setcap}',
  );
  addEntries(
    catalogue,
    { family: 'filesystem', acts: ['write-file'], does: 'writes to devices or file systems' },
    'sh:{dd,mkfs,mkfs.ext4,mkfs.ext3,mkfs.xfs,mkswap,fdisk,parted,wipefs,mount,umount,losetup,blkdiscard}',
  );
  addEntries(
    catalogue,
    {
      family: 'filesystem',
      acts: ['archive'],
      gives: file,
      marks: encoded,
      does: 'packs or unpacks files',
    },
    'sh:{tar,zip,cpio,ar}',
  );
}

function addNetwork(catalogue: Catalogue): void {
  const talks = { family: 'network', gives: network } as const;
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'sends a request over the network' },
    'sh:{curl,wget,http,https,xh,aria2c,axel,lynx,w3m,ftp,lftp,tftp,fetch,certutil,bitsadmin,Invoke-WebRequest,iwr}',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'opens a connection to another machine' },
    'sh:{nc,ncat,netcat,socat,telnet,ssh,scp,sftp,sshpass,mosh,autossh,rclone,s_client,websocat,mail,sendmail,mailx,mutt,aws,gcloud,az,gh,torify,tor,ngrok,cloudflared}',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['resolve'], does: 'asks the name service, which can carry data away' },
    'sh:{dig,nslookup,host,drill,ping,traceroute}',
  );
  addEntries(
    catalogue,
    {
      family: 'network',
      acts: ['send'],
      does: 'clones or pushes repositories',
      when: has('clone', 'push', 'fetch', 'pull'),
    },
    'sh:git',
  );
  addEntries(
    catalogue,
    { family: 'network', acts: ['listen'], does: 'scans or changes networks' },
    'sh:{nmap,masscan,zmap,tcpdump,iptables,nft,ufw,ip,ifconfig,route,arp,hydra}',
  );
}

function addSystem(catalogue: Catalogue): void {
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['read-environment'],
      gives: environment,
      does: 'reads the whole environment, where tokens and keys stand',
      when: (use) => use.args.length === 0,
    },
    'sh:{printenv,export,set,declare}',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      weight: 0.35,
      acts: ['identify', 'look-around'],
      gives: identity | surroundings,
      does: 'asks who and where it is',
    },
    'sh:{whoami,id,hostname,uname,logname,who,w,last,hostnamectl,finger,ipconfig,systeminfo,ver,dmidecode,lscpu,lspci,nproc,uptime,free,arch,lsb_release,sw_vers}',
  );
  addEntries(
    catalogue,
    { gives: surroundings, acts: ['look-around'] },
    'sh:date sh:locale sh:tty sh:systemd-detect-virt sh:virt-what',
  );
  addEntries(catalogue, { acts: ['sleep'] }, 'sh:{sleep,usleep}');
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['read-secret'],
      gives: secret,
      does: 'reads stored passwords or keys',
    },
    'sh:{secret-tool,pass,gpg-connect-agent,ssh-add,vault,op,mimikatz,cmdkey,dscl} sh:security.find-generic-password',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['capture'],
      gives: input,
      does: 'takes the clipboard, the screen or the keys of a person',
    },
    'sh:{xclip,xsel,pbpaste,wl-paste,scrot,screencapture,import,xwd,xinput,logkeys,ffmpeg,arecord}',
  );
  addEntries(
    catalogue,
    { family: 'persistence', acts: ['persist'], does: 'arranges that something is started again' },
    'sh:{schtasks,schtasks.exe,reg,reg.exe}',
  );
  addEntries(
    catalogue,
    {
      family: 'persistence',
      acts: ['persist'],
      does: 'changes the table of timed programs',
      // Listing and removing it starts nothing.
      when: (use) => !has('-l', '-r', '-V')(use),
    },
    'sh:crontab',
  );
  addEntries(
    catalogue,
    {
      family: 'persistence',
      acts: ['persist'],
      weight: 0.6,
      does: 'has the system start a service',
      when: has(
        'enable',
        'link',
        'load',
        'bootstrap',
        'submit',
        'defaults',
        'add',
        'create',
        'enable-linger',
      ),
    },
    'sh:{systemctl,launchctl,update-rc.d,chkconfig,rc-update,sc,sc.exe,loginctl}',
  );
  addEntries(
    catalogue,
    { family: 'persistence', acts: ['persist'], does: 'changes accounts of the machine' },
    'sh:{useradd,usermod,adduser,passwd,chpasswd,visudo,net,groupadd,deluser,userdel}',
  );
  addEntries(
    catalogue,
    { family: 'process-manipulation', does: 'ends or changes the machine' },
    'sh:{reboot,shutdown,halt,poweroff,init,telinit,sysctl,setenforce,swapoff,service,ulimit,renice}',
  );
  addEntries(
    catalogue,
    {
      family: 'sandbox-escape',
      acts: ['escape'],
      does: 'enters other namespaces, of containers or of the host',
      when: (use) => use.args.length > 0,
    },
    'sh:nsenter',
  );
  addEntries(catalogue, { passes: true, gives: environment, onRead: true }, 'sh:$*');
}

function addTransforms(catalogue: Catalogue): void {
  // One program encodes and decodes; what comes out of it is taken for both.
  const both = encoded | decoded;
  const acts = ['encode', 'decode'] as const;
  addEntries(catalogue, { marks: both, acts, fold: decodedInput(FOLDS.base64) }, 'sh:base64');
  addEntries(catalogue, { marks: both, acts, fold: decodedInput(FOLDS.base32) }, 'sh:base32');
  addEntries(catalogue, { marks: both, acts, fold: decodedInput(FOLDS.hex) }, 'sh:xxd');
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'], fold: ofInput(FOLDS.reversed) },
    'sh:rev',
  );
  addEntries(catalogue, { marks: decoded, acts: ['decode'], fold: translated }, 'sh:tr');
  addEntries(
    catalogue,
    { marks: both, acts: ['encode', 'encrypt', 'decode'] },
    'sh:{openssl,gpg,uuencode,uudecode,ccrypt,age}',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'] },
    'sh:{gunzip,zcat,bunzip2,xz,unxz,gzip,bzcat}',
  );
  addEntries(catalogue, { fold: echoed }, 'sh:{echo,printf}');
}

/** `base64 -d`, `xxd -r -p`: only where it is told to decode. */
const decodedInput =
  (fold: typeof FOLDS.base64): typeof FOLDS.base64 =>
  (args, receiver) =>
    args.some(({ constant }) => /^(-[a-zA-Z]*[dDr][a-zA-Z]*|--decode)$/.test(String(constant)))
      ? ofInput(fold)(args, receiver)
      : undefined;

/** Words as they are printed; formats other than plain text are not worked out. */
function echoed(args: Parameters<typeof FOLDS.base64>[0]): string | undefined {
  const words = args.map(text);
  while (/^-[neE]+$/.test(words[0] ?? '')) words.shift();
  if (words.length > 1 && words[0]?.replaceAll('\\n', '') === '%s') words.shift();
  if (words.some((word) => word === undefined || /%[a-z]/.test(word))) return undefined;
  return words.join(' ');
}

/** `tr 'a-z' 'n-za-m'` over what is piped in. */
function translated(
  args: Parameters<typeof FOLDS.base64>[0],
  receiver: Parameters<typeof FOLDS.base64>[1],
): string | undefined {
  const [from, to] = [range(text(args[0])), range(text(args[1]))];
  const value = text(receiver);
  if (from === undefined || to === undefined || value === undefined || to === '') return undefined;
  return [...value]
    .map((letter) => {
      const place = from.indexOf(letter);
      return place < 0 ? letter : (to[place] ?? to.at(-1) ?? letter);
    })
    .join('');
}

function range(set: string | undefined): string | undefined {
  if (set === undefined || set.startsWith('-') || set.length > 512) return undefined;
  return set.replace(/(.)-(.)/gs, (_, first: string, last: string) => {
    const [low, high] = [first.charCodeAt(0), last.charCodeAt(0)];
    return high < low || high - low > 255
      ? ''
      : Array.from({ length: high - low + 1 }, (__, i) => String.fromCharCode(low + i)).join('');
  });
}
