/** What guests of these attacks open connections with: a few lines of Python. */

/** @param open what it opens; it says `open` then. @param more what it does with that */
export const pythonClient = (open: string, more: string): string => `
import os, socket, ssl, sys, time
TOKEN = os.environ.get('TOKEN', '')
def tcp(host, port): return socket.create_connection((host, port), 5)
def tls(host): return ssl.create_default_context().wrap_socket(tcp(host, 443), server_hostname=host)
def more(s):
  got = s.recv(65536)
  if not got: raise OSError('ended')
  return got
def get(s, host, path, head=''):
  s.sendall(f'GET {path} HTTP/1.1\\r\\nHost: {host}\\r\\n{head}\\r\\n'.encode())
  return more(s)
UP = 'Connection: Upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\n'
${open}
print('open')
${more}`;
