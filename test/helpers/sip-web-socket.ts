import { WebSocket } from 'ws';
import type { FaultListener, FrameListener, PeerTls, SipAddress, SipSocket } from './sip-socket.ts';
import { token } from './token.ts';

/** A WebSocket client as a browser has it (RFC 7118): nobody can connect to it, and its name leads nowhere. */
export function openWebSocket(
  transport: 'ws' | 'wss',
  onFrame: FrameListener,
  onFault: FaultListener,
  tls: PeerTls = { ca: '' },
): Promise<SipSocket> {
  const open = new Map<string, Promise<WebSocket>>();
  const connect = (to: SipAddress): Promise<WebSocket> => {
    const key = `${to.address.includes(':') ? `[${to.address}]` : to.address}:${to.port}`;
    const known = open.get(key);
    if (known) return known;
    const opening = new Promise<WebSocket>((resolve, reject) => {
      const socket = new WebSocket(`${transport}://${key}/`, 'sip', { ...(transport === 'wss' ? tls : {}), perMessageDeflate: false });
      socket.once('error', (error) => {
        open.delete(key);
        reject(error);
      });
      socket.once('close', () => open.delete(key));
      socket.once('open', () => {
        if (socket.protocol !== 'sip') onFault('the 101 does not name the subprotocol sip (RFC 7118 4.1)');
        resolve(socket);
      });
      socket.on('message', (data: Buffer, binary) => {
        if (data.equals(PONG)) return;
        // RFC 7118 4.2: text if it is UTF-8, and it must be binary if it is not; 5: one message and nothing else.
        if (!binary) checkText(data, onFault);
        onFrame({ bytes: data, remote: to, ours: true, reply: (bytes) => socket.send(bytes.toString('utf8')) });
      });
    });
    open.set(key, opening);
    return opening;
  };
  const disconnect = (): void => {
    for (const opening of open.values()) void opening.then((socket) => socket.terminate()).catch(() => {});
    open.clear();
  };
  return Promise.resolve({
    transport: transport === 'ws' ? 'WS' : 'WSS',
    local: { address: `${token()}.invalid`, port: 0 },
    send: async (bytes, to) => {
      const socket = await connect(to);
      await new Promise<void>((done, failed) => socket.send(bytes, { binary: false }, (error) => (error ? failed(error) : done())));
    },
    disconnect,
    close: async () => disconnect(),
  });
}

const PONG = Buffer.from('\r\n');

function checkText(data: Buffer, onFault: FaultListener): void {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(data);
  } catch {
    onFault('a text frame that is not UTF-8');
  }
}
