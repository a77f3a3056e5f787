/** Packages of PyPI that reach the network, files, programs or people. */
import { LABELS } from '../labels.ts';
import { FOLDS } from './decoders.ts';
import { addEntries, type Catalogue } from './entry.ts';

const { secret, identity, network, output, encoded, decoded, surroundings, input } = LABELS;

export function addPythonPackages(catalogue: Catalogue): void {
  const talks = { family: 'network', gives: network } as const;
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'sends a request over the network' },
    'py:requests.{get,post,put,patch,delete,head,options,request,Session,session}{,().get,().post,().put,().request} py:requests.sessions.Session().{get,post} py:httpx.{get,post,put,patch,delete,request,stream,Client,AsyncClient}{,().get,().post,().request} py:urllib3.{PoolManager,HTTPConnectionPool,HTTPSConnectionPool,ProxyManager}{,().request,().urlopen} py:urllib3.request py:aiohttp.{ClientSession,request}{,.*,().*} py:httplib2.Http{,().request} py:pycurl.Curl py:treq.{get,post} py:grequests.{get,post} py:cloudscraper.* py:curl_cffi.* py:tls_client.* py:wget.download py:gdown.download py:scapy.all.{send,sendp,sr,sr1,srp} py:requests_futures.* py:primp.*',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['send', 'receive'], does: 'opens a connection to another machine' },
    'py:websocket.{create_connection,WebSocketApp,WebSocket} py:websockets.connect py:paramiko.{SSHClient,Transport}{,.*} py:socks.* py:stem.* py:pika.* py:redis.Redis py:paho.mqtt.client.Client py:socketio.Client py:fabric.Connection{,.*} py:pymongo.MongoClient py:irc.*',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['send'], does: 'sends messages to people' },
    'py:discord.{Webhook,SyncWebhook,Client,File}{,.*} py:discord_webhook.{DiscordWebhook,DiscordEmbed}{,.*} py:dhooks.{Webhook,Embed,File}{,.*} py:telebot.TeleBot{,.*} py:telegram.Bot{,.*} py:telethon.* py:slack_sdk.* py:pyrogram.* py:yagmail.* py:boto3.{client,resource}{,.*} py:ftpretty.* py:anonfile.* py:dropbox.Dropbox{,.*}',
  );
  addEntries(
    catalogue,
    { ...talks, acts: ['listen'], does: 'listens for connections' },
    'py:flask.Flask().run py:bottle.run py:uvicorn.run py:pyngrok.ngrok.connect py:aiohttp.web.run_app py:werkzeug.serving.run_simple',
  );
  addEntries(
    catalogue,
    { family: 'child-process', gives: output, acts: ['run'], does: 'starts a program' },
    'py:sh.* py:pexpect.{spawn,run} py:plumbum.* py:psutil.Popen py:invoke.run py:delegator.run py:sarge.run py:pip.main py:pip._internal.{main,cli.main.main} py:win32process.CreateProcess py:win32api.{ShellExecute,WinExec} py:win32com.shell.shell.ShellExecuteEx',
  );
  addEntries(
    catalogue,
    { family: 'process-manipulation', acts: ['signal'], does: 'looks at or ends other processes' },
    'py:psutil.{Process,process_iter,pids}{,().kill,().terminate,().suspend} py:win32api.TerminateProcess py:wmi.WMI{,.*}',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['capture'],
      gives: input,
      does: 'takes the keys, the mouse, the clipboard or the screen of a person',
    },
    'py:pynput.* py:keyboard.{on_press,on_release,hook,read_key,read_event,record,add_hotkey} py:mouse.{hook,record} py:pyperclip.{paste,waitForPaste,waitForNewPaste} py:clipboard.paste py:win32clipboard.GetClipboardData py:pyWinhook.* py:pyHook.* py:pyxhook.* py:PIL.ImageGrab.{grab,grabclipboard} py:pyautogui.screenshot py:pyscreenshot.grab py:mss.mss{,.*} py:cv2.VideoCapture{,.*} py:sounddevice.rec py:pyaudio.PyAudio{,.*} py:tkinter.Tk().clipboard_get',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      weight: 0.7,
      does: 'puts something else into the clipboard',
    },
    'py:pyperclip.copy py:win32clipboard.SetClipboardData py:clipboard.copy',
  );
  addEntries(
    catalogue,
    {
      family: 'credential-harvesting',
      acts: ['read-secret'],
      gives: secret,
      does: 'opens what a browser or the system keeps encrypted',
    },
    'py:browser_cookie3.* py:browsercookie.* py:pycookiecheat.* py:win32crypt.CryptUnprotectData py:keyring.{get_password,get_credential} py:secretstorage.* py:browserhistory.* py:pypykatz.* py:lazagne.* py:ctypes.windll.crypt32.CryptUnprotectData py:rookiepy.*',
  );
  addEntries(
    catalogue,
    { gives: identity | surroundings, acts: ['identify', 'look-around'] },
    'py:GPUtil.getGPUs py:cpuinfo.get_cpu_info py:psutil.{virtual_memory,disk_usage,cpu_count,net_if_addrs,users,boot_time,cpu_freq} py:getmac.get_mac_address py:netifaces.* py:screeninfo.get_monitors py:distro.id',
  );
  addEntries(
    catalogue,
    { family: 'native-code', acts: ['native'], does: 'calls machine code' },
    'py:cffi.FFI{,().dlopen,().verify,().cdef} py:win32api.LoadLibrary py:pymem.* py:frida.* py:keystone.* py:unicorn.*',
  );
  addEntries(
    catalogue,
    {
      family: 'dynamic-code',
      acts: ['evaluate'],
      does: 'builds objects, and what they run, of data',
    },
    'py:yaml.{unsafe_load,unsafe_load_all,full_load} py:joblib.load py:jsonpickle.decode py:cloudpickle.{load,loads} py:execjs.{eval,compile} py:js2py.{eval_js,EvalJs} py:numexpr.evaluate',
  );
  addEntries(
    catalogue,
    { family: 'persistence', acts: ['persist'], does: 'arranges that it is started again' },
    'py:crontab.CronTab{,.*} py:win32com.client.Dispatch().CreateShortCut py:win32serviceutil.* py:schtasks.* py:winshell.startup',
  );
  addEntries(
    catalogue,
    { marks: encoded, acts: ['encode', 'encrypt'] },
    'py:cryptography.fernet.Fernet().encrypt py:Crypto.Cipher.{AES,DES,ChaCha20,ARC4,PKCS1_OAEP,Salsa20}.new().encrypt py:Cryptodome.Cipher.{AES,ChaCha20}.new().encrypt py:nacl.secret.SecretBox().encrypt py:pyaes.* py:rsa.encrypt',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'] },
    'py:cryptography.fernet.Fernet().decrypt py:Crypto.Cipher.{AES,DES,ChaCha20,ARC4,PKCS1_OAEP,Salsa20}.new().{decrypt,decrypt_and_verify} py:Cryptodome.Cipher.{AES,ChaCha20}.new().decrypt py:nacl.secret.SecretBox().decrypt py:rsa.decrypt ?.decrypt',
  );
  addEntries(
    catalogue,
    { marks: decoded, acts: ['decode'], fold: FOLDS.base64 },
    'py:pybase64.b64decode',
  );
  addEntries(catalogue, { acts: ['install-hook'] }, 'py:setuptools.setup py:distutils.core.setup');
}
