import { Credentials } from './credentials.ts';
import { HttpConnection } from './http-connection.ts';
import { type PhoneDialog, Phones } from './phones.ts';

/** Whom the scenes are played by, and where. */
export interface Cast {
  readonly domain: string;
  readonly users: readonly string[];
  readonly password: string;
  /** Of 127.0.0.1. */
  readonly sipPort: number;
  readonly httpPort: number;
  /** Path of the XCAP root, without a slash at the end. */
  readonly root: string;
}

/** One thing that users do, each of them once in a round. */
type Scene = (user: string, index: number, round: number) => Promise<void>;

const BUDDIES = 50;
const XML = '<?xml version="1.0" encoding="UTF-8"?>\n';
const LISTS = 'Content-Type: application/resource-lists+xml\r\n';
const RULES = 'Content-Type: application/auth-policy+xml\r\n';
const SERVICES = 'Content-Type: application/rls-services+xml\r\n';
const ELEMENT = 'Content-Type: application/xcap-el+xml\r\n';

/**
 * What clients do all day: the XCAP requests of a buddy list, the decisions on watchers, registrations, texts, presence, and
 * subscriptions to users and to a list. Each scene is real traffic on real sockets; one that is answered in an unexpected way rejects.
 */
export class Scenes {
  private readonly cast: Cast;
  private readonly phones: Phones;
  private readonly connections: readonly HttpConnection[];
  private readonly etags = new Map<string, string>();
  private readonly dialogs: PhoneDialog[] = [];
  private readonly table: readonly Scene[] = [
    async (user, i, round) => {
      await this.expect(i, 'PUT', this.rulesOf(user), RULES, this.rules(round));
    },
    (user, i) => this.readList(user, i),
    (user, i, round) => this.editList(user, i, round),
    (user) => this.phones.registerAnew(user),
    (user, i, round) => this.phones.message(user, this.neighbour(i), `text ${round}`),
    (user, _, round) => this.present(user, round),
    (user, i, round) => this.watch(user, this.neighbour(i), round),
  ];

  private constructor(cast: Cast, phones: Phones, connections: readonly HttpConnection[]) {
    this.cast = cast;
    this.phones = phones;
    this.connections = connections;
  }

  /** Connects everyone, writes their documents, registers them, and subscribes all of them to the first. */
  static async open(cast: Cast): Promise<Scenes> {
    const { users, password, domain } = cast;
    const phones = await Phones.open(cast.sipPort, domain, () => password);
    const connections: HttpConnection[] = [];
    const scenes = new Scenes(cast, phones, connections);
    try {
      for (const user of users) connections.push(await HttpConnection.open(cast.httpPort, new Credentials(user, password)));
      await scenes.prepare();
      return scenes;
    } catch (error) {
      scenes.close();
      throw error;
    }
  }

  get count(): number {
    return this.table.length;
  }

  close(): void {
    this.phones.close();
    for (const connection of this.connections) connection.close();
  }

  /** One scene, by all users at once. */
  async play(scene: number, round: number): Promise<void> {
    const one = this.table[scene];
    if (one) await Promise.all(this.cast.users.map((user, i) => one(user, i, round)));
  }

  private async prepare(): Promise<void> {
    const { users, domain } = this.cast;
    for (const [i, user] of users.entries()) {
      await this.expect(i, 'PUT', this.rulesOf(user), RULES, this.rules(0));
      await this.expect(i, 'PUT', this.listOf(user), LISTS, this.list());
      await this.phones.register(user);
      await this.present(user, 0);
    }
    const entries = users.map((user) => `<rl:entry uri="sip:${user}@${domain}"/>`).join('');
    const namespaces = 'xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists"';
    const service = `<service uri="sip:${LIST}@${domain}"><list>${entries}</list><packages><package>presence</package></packages></service>`;
    const [first = ''] = users;
    const path = `${this.cast.root}/rls-services/users/sip:${first}@${domain}/index`;
    await this.expect(0, 'PUT', path, SERVICES, `${XML}<rls-services ${namespaces}>${service}</rls-services>`);
    await this.phones.subscribe(first, LIST, true);
    for (const user of users) await this.phones.subscribe(user, first);
  }

  private async readList(user: string, i: number): Promise<void> {
    const { head } = await this.expect(i, 'GET', this.listOf(user));
    await this.expect(i, 'GET', this.entryOf(user, i));
    const etag = /^etag: (\S+)/im.exec(head)?.[1] ?? '';
    await this.expect(i, 'GET', this.listOf(user), `If-None-Match: ${etag}\r\n`);
  }

  private async editList(user: string, i: number, round: number): Promise<void> {
    const buddy = round % BUDDIES;
    await this.expect(i, 'PUT', this.entryOf(user, buddy), ELEMENT, this.entry(buddy, `Friend ${round}`));
    await this.expect(i, 'PUT', this.entryOf(user, BUDDIES), ELEMENT, this.entry(BUDDIES, 'New'));
    await this.expect(i, 'DELETE', this.entryOf(user, BUDDIES));
    // Every fourth is written whole.
    if ((round + i) % 4 === 0) await this.expect(i, 'PUT', this.listOf(user), LISTS, this.list());
  }

  private async present(user: string, round: number): Promise<void> {
    const etag = await this.phones.publish(user, `state ${round}`, this.etags.get(user));
    this.etags.set(user, await this.phones.publish(user, undefined, etag));
  }

  /** A subscription is made, refreshed in the next round, and ended in the one after that. */
  private async watch(watcher: string, presentity: string, round: number): Promise<void> {
    const { phones, dialogs } = this;
    const last = dialogs.findIndex((dialog) => dialog.watcher === watcher && dialog.cseq > 1);
    const [ended] = last < 0 ? [] : dialogs.splice(last, 1);
    if (ended) await phones.resubscribe(ended, 0);
    const kept = dialogs.find((dialog) => dialog.watcher === watcher);
    if (kept) await phones.resubscribe(kept, 3600);
    dialogs.push(await phones.subscribe(watcher, presentity));
    if (round % 8 === 0 && watcher === this.cast.users[0]) await phones.resubscribe(await phones.subscribe(watcher, LIST, true), 0);
  }

  private async expect(i: number, method: string, path: string, fields = '', body = ''): Promise<{ head: string }> {
    const answer = await this.connections[i]?.request(method, path, fields, body);
    if (!answer || answer.status > 304) throw new Error(`${method} ${path}: ${answer?.status}`);
    return answer;
  }

  private neighbour(i: number): string {
    return this.cast.users[(i + 1) % this.cast.users.length] ?? '';
  }

  private rulesOf(user: string): string {
    return `${this.cast.root}/pres-rules/users/sip:${user}@${this.cast.domain}/index`;
  }

  private listOf(user: string): string {
    return `${this.cast.root}/resource-lists/users/sip:${user}@${this.cast.domain}/index`;
  }

  private entryOf(user: string, buddy: number): string {
    return `${this.listOf(user)}/~~/resource-lists/list%5B@name=%22friends%22%5D/entry%5B@uri=%22sip:buddy${buddy}@${this.cast.domain}%22%5D`;
  }

  private entry(buddy: number, name: string): string {
    return `<entry uri="sip:buddy${buddy}@${this.cast.domain}"><display-name>${name}</display-name></entry>`;
  }

  private list(): string {
    const entries = Array.from({ length: BUDDIES }, (_, buddy) => this.entry(buddy, `Buddy ${buddy}`));
    return `${XML}<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends">\n${entries.join('\n')}\n</list></resource-lists>\n`;
  }

  /** Friends are shown all; others, by turns those of the domain or anyone, all or some of it, and not in every round. */
  private rules(round: number): string {
    const { domain } = this.cast;
    const friends = Array.from({ length: 10 }, (_, i) => `<cp:one id="sip:friend${i}@${domain}"/>`).join('');
    const all =
      '<pr:provide-devices><pr:all-devices/></pr:provide-devices><pr:provide-persons><pr:all-persons/></pr:provide-persons><pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-all-attributes/>';
    const some = '<pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-note>true</pr:provide-note>';
    const rule = (id: string, who: string, handling: string, shown: string): string =>
      `<cp:rule id="${id}">${who}<cp:actions><pr:sub-handling>${handling}</pr:sub-handling></cp:actions><cp:transformations>${shown}</cp:transformations></cp:rule>\n`;
    const identity = (who: string): string => `<cp:conditions><cp:identity>${who}</cp:identity></cp:conditions>`;
    const others = [identity(`<cp:many domain="${domain}"/>`), identity('<cp:many/>'), '<cp:conditions/>'][round % 3] ?? '';
    const handling = ['allow', 'allow', 'confirm', 'allow', 'polite-block'][round % 5] ?? 'allow';
    return `${XML}<cp:ruleset xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">\n${rule('friends', identity(friends), 'allow', all)}${rule('others', others, handling, round % 2 === 0 ? all : some)}</cp:ruleset>\n`;
  }
}

const LIST = 'friends-list';
