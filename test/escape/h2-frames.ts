/** HTTP/2 by hand, for guests in Python that say what no library would: RFC 9113, RFC 7541. */
export const h2Frames = `
import socket, ssl, struct, time, os
PREFACE = b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n'
def frame(kind, flags, stream, body=b''):
  return struct.pack('>I', len(body))[1:] + bytes([kind, flags]) + struct.pack('>I', stream) + body
def literal(name, value, index=False):
  def text(t):
    n = len(t)
    if n < 127: return bytes([n]) + t
    out = b'\\x7f'; n -= 127
    while n >= 128: out += bytes([n & 127 | 128]); n >>= 7
    return out + bytes([n]) + t
  return (b'\\x40' if index else b'\\0') + text(name) + text(value)
def request(method=b'GET', path=b'/x', host=b'one.test'):
  return literal(b':method', method) + literal(b':scheme', b'https') + literal(b':authority', host) + literal(b':path', path)
def connect(host='one.test', settings=b''):
  context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
  context.set_alpn_protocols(['h2'])
  s = context.wrap_socket(socket.create_connection((host, 443), 10), server_hostname=host)
  s.sendall(PREFACE + frame(4, 0, 0, settings))
  return s
def answered(s, stream):
  data = b''; s.settimeout(20)
  try:
    while True:
      while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], 'big'):
        if data[3] in (1, 3) and int.from_bytes(data[5:9], 'big') == stream: return
        data = data[9 + int.from_bytes(data[:3], 'big'):]
      more = s.recv(65536)
      if not more: return
      data += more
  except OSError: return
def pour(make, seconds=4, n=4):
  ss = [connect() for i in range(n)]
  end = time.time() + seconds
  sent = 0; closed = 0
  streams = [1] * n
  while time.time() < end:
    for i in range(n):
      if ss[i] is None:
        try: ss[i] = connect(); streams[i] = 1
        except OSError: continue
      try: data, streams[i] = make(streams[i]); ss[i].settimeout(0.2); ss[i].sendall(data); sent += len(data)
      except OSError: closed += 1; ss[i].close(); ss[i] = None
  print(sent, 'bytes sent', closed, 'closed')
`;
