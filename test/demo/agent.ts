/** A SIP agent for the command line, to see a server at work without a softphone: watches, watches the watchers, publishes. */
import { parseArgs } from 'node:util';
import { readPidf } from '../helpers/pidf-reader.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import type { Notification } from '../helpers/sip-subscription.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';

const USAGE = `usage: npm run agent -- watch USER:PASSWORD WHOM          subscribe to somebody's presence
       npm run agent -- watchers USER:PASSWORD            see who watches you
       npm run agent -- publish USER:PASSWORD open|closed [NOTE]
options: --server HOST:PORT (127.0.0.1:5060)  --domain D (localhost)  --seconds N (600)`;

const WINFO = 'application/watcherinfo+xml';

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { server: { type: 'string' }, domain: { type: 'string' }, seconds: { type: 'string' } },
  });
  const [command = '', login = '', ...rest] = positionals;
  const [user = '', password = ''] = login.split(/:(.*)/s);
  const [address = '127.0.0.1', port = '5060'] = (values.server ?? '').split(/:(?=\d+$)/).filter(Boolean);
  const domain = values.domain ?? 'localhost';
  const seconds = Number(values.seconds ?? 600);
  if (user === '' || !['watch', 'watchers', 'publish'].includes(command)) {
    console.error(USAGE);
    return 2;
  }
  const peer = await SipPeer.create({ user, password, domain, server: { address, port: Number(port) }, transport: 'udp' });
  try {
    if (command === 'publish') return await publish(peer, rest[0] === 'closed' ? 'closed' : 'open', rest[1], seconds);
    const whom = command === 'watchers' ? peer.address : `sip:${rest[0]}@${domain}`;
    return await watch(peer, whom, command === 'watchers', seconds);
  } finally {
    await peer.close();
  }
}

async function publish(peer: SipPeer, basic: 'open' | 'closed', note: string | undefined, seconds: number): Promise<number> {
  const escaped = note?.replace(/[&<]/g, (c) => (c === '&' ? '&amp;' : '&lt;'));
  const body = `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${peer.address}">
<tuple id="agent"><status><basic>${basic}</basic></status><contact>${peer.contact}</contact>${escaped ? `<note>${escaped}</note>` : ''}</tuple>
</presence>
`;
  const { status, response, expires } = await peer.publish(body, { expires: seconds });
  say(`PUBLISH ${status} ${response.reason}${status === 200 ? `, holds for ${expires} seconds` : ''}`);
  return status === 200 ? 0 : 1;
}

async function watch(peer: SipPeer, whom: string, winfo: boolean, seconds: number): Promise<number> {
  const event = winfo ? 'presence.winfo' : 'presence';
  const subscription = await peer.subscribe(whom, { event, expires: seconds, ...(winfo ? { accept: [WINFO] } : {}) });
  const { status, reason } = subscription.response;
  say(`SUBSCRIBE ${whom} ${event}: ${status} ${reason}`);
  if (status !== 200) return 1;
  for (;;) {
    const notification = await subscription.notify(undefined, (seconds + 60) * 1000);
    say(`NOTIFY ${notification.state}${notification.reason ? ` (${notification.reason})` : ''}${describe(notification)}`);
    if (notification.state === 'terminated') return 0;
  }
}

function describe({ type, body }: Notification): string {
  if (body === '') return ', nothing to see';
  if (type === WINFO)
    return `: ${
      readWatcherinfo(body)
        .watchers.map(({ uri, status, event }) => `${uri} ${status} (${event})`)
        .join(', ') || 'nobody'
    }`;
  const { tuples } = readPidf(body);
  const notes = [...body.matchAll(/<note[^>]*>([^<]*)<\/note>/g)].map(([, text]) => ` "${text}"`).join('');
  return `: ${tuples.map(({ basic }) => basic).join(', ') || 'no tuple'}${notes}`;
}

function say(line: string): void {
  console.log(`${new Date().toTimeString().slice(0, 8)}  ${line}`);
}

process.exitCode = await main();
