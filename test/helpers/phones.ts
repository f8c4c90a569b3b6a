import type { Config } from '../../server/config.ts';
import type { Logger } from '../../server/logger.ts';
import { callServicesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import type { CallAgent, Outgoing, Sending } from './call-agent.ts';
import { startServer } from './server.ts';
import { header, type SipMessage } from './sip-message.ts';
import type { XcapResponse } from './xcap-client.ts';

const SDP = 'v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\n';

/** Where a call came to, and what the caller heard. */
export interface CallResult {
  /** The user whose phone rang; undefined where none did. */
  readonly reached: string | undefined;
  /** The INVITE as that phone got it. */
  readonly invite: SipMessage | undefined;
  readonly response: SipMessage;
  /** Statuses from 180 to 199 that came before. */
  readonly provisional: readonly number[];
}

/** Users with telephones at a server of their own, and the documents that say what becomes of their calls. */
export class Phones {
  readonly stage = new Stage();
  readonly #phones = new Map<string, CallAgent>();

  /** Each of the users has a phone that is logged on. */
  static async open(users: readonly string[], settings: Partial<Config> = {}, logger?: Logger): Promise<Phones> {
    const phones = new Phones();
    await phones.stage.use(await startServer({ noReplyTimeout: 1, ...settings }, logger));
    for (const user of users) {
      const phone = await phones.stage.phone(user);
      phones.#phones.set(user, phone);
      await phone.register();
    }
    return phones;
  }

  close(): Promise<void> {
    return this.stage.close();
  }

  of(user: string): CallAgent {
    const phone = this.#phones.get(user);
    if (!phone) throw new Error(`${user} has no phone`);
    return phone;
  }

  address(user: string): string {
    return this.stage.address(user);
  }

  /** Writes the user's simservs document. */
  async set(user: string, document: string): Promise<XcapResponse> {
    const response = await (await this.stage.xcap(user)).put(callServicesPath(user), document);
    if (response.status !== 200 && response.status !== 201)
      throw new Error(`the document is answered ${response.status}: ${response.body}`);
    return response;
  }

  /** Calls, with an audio session unless told otherwise; whoever is reached declines, or answers each time with the next of the statuses. */
  async call(caller: string, uri: string, sending: Sending = {}, statuses: readonly number[] = []): Promise<CallResult> {
    const call = await this.of(caller).invite(uri, {
      body: SDP,
      ...sending,
      headers: [['Content-Type', 'application/sdp'], ...(sending.headers ?? [])],
    });
    return this.finish(call, statuses);
  }

  /** The rest of a call that was begun. */
  async finish(call: Outgoing, statuses: readonly number[] = []): Promise<CallResult> {
    const left = [...statuses];
    let reached: string | undefined;
    let invite: SipMessage | undefined;
    const deadline = Date.now() + 10_000;
    while (!call.done) {
      for (const [user, phone] of this.#phones) {
        if (!phone.untaken.includes('INVITE')) continue;
        const incoming = await phone.take('INVITE');
        [reached, invite] = [user, incoming.message];
        incoming.answer(left.shift() ?? 603);
        await phone.take('ACK');
      }
      if (Date.now() > deadline) throw new Error('the call came to no end');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const provisional = call.provisional.left.map(({ status }) => status).filter((status) => status > 100);
    return { reached, invite, response: await call.final(), provisional };
  }
}

/** The values of a header field of the INVITE, one after the other. */
export function told({ invite }: CallResult, name: string): string | undefined {
  return invite && header(invite, name);
}
