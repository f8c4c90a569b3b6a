import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DialogTable, readDialogInfo } from '../helpers/dialog-info-reader.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { Stage } from '../scenarios/stage.ts';

const NS = 'urn:ietf:params:xml:ns:dialog-info';
const TYPE = 'application/dialog-info+xml';

let stage: Stage;
let alice: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
  alice = await stage.peer('alice');
});
afterEach(() => stage.close());

const dialog = (id: string, state: string, more = '', attributes = '') =>
  `<dialog id="${id}" ${attributes}><state>${state}</state>${more}</dialog>`;
const info = (dialogs: string, state = 'full') =>
  `<?xml version="1.0"?><dialog-info xmlns="${NS}" version="7" state="${state}" entity="sip:alice@example.com">${dialogs}</dialog-info>`;
const publish = (body: string | undefined, options: { etag?: string; expires?: number; uri?: string } = {}, peer = alice) =>
  peer.publish(body, { event: 'dialog', contentType: TYPE, expires: 600, ...options });
const watch = (peer: SipPeer, event = 'dialog', headers: readonly [string, string][] = []) =>
  peer.subscribe(alice.address, { event, expires: 600, headers });

/** Alice's dialog rules: each a handling, the watchers and transformations. */
async function rules(...each: (readonly [handling: string, watcher: string, transformations?: string])[]): Promise<void> {
  const xcap = await stage.xcap('alice');
  const written = each.map(
    ([handling, watcher, transformations = ''], i) =>
      `<cr:rule id="r${i}"><cr:conditions><cr:identity><cr:one id="${stage.address(watcher)}"/></cr:identity></cr:conditions>` +
      `<cr:actions><sub-handling>${handling}</sub-handling></cr:actions><cr:transformations>${transformations}</cr:transformations></cr:rule>`,
  );
  const namespaces = 'xmlns="http://openxcap.org/ns/dialog-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy"';
  const document = `<cr:ruleset ${namespaces}>${written.join('')}</cr:ruleset>`;
  const { status } = await xcap.put('/org.openxcap.dialog-rules/users/alice/index', document, {
    'Content-Type': 'application/auth-policy+xml',
  });
  expect([200, 201]).toContain(status);
}

const CALL = 'call-id="c1@pc" local-tag="l1" remote-tag="r1" direction="initiator"';
const WITH_BOB =
  '<duration>12</duration><local><identity display-name="Alice">sip:alice@example.com</identity><target uri="sip:alice@192.0.2.1"/>' +
  '<session-description type="application/sdp">v=0 secret</session-description></local>' +
  '<remote><identity>sip:bob@example.org</identity><target uri="sip:bob@192.0.2.9"/></remote>';

describe('RFC 4235 3: event package dialog', () => {
  it('3.4, 3.5: an hour unless told; the first NOTIFY is full, of no dialogs where none are known', async () => {
    const watched = await alice.subscribe(alice.address, { event: 'dialog' });
    expect(watched.granted).toBe(3600);
    expect(readDialogInfo((await watched.notify()).body)).toEqual({ version: 0, state: 'full', entity: alice.address, dialogs: [] });
    const other = await alice.subscribe(alice.address, { event: 'dialog', accept: ['application/pidf+xml'] });
    expect([other.response.status, header(other.response, 'accept')]).toEqual([406, TYPE]);
  });

  it("3.6, 3.7: the user's own agents are told whole dialogs, after the first NOTIFY only what changed, with rising versions", async () => {
    const table = new DialogTable();
    const first = await publish(info(dialog('a', 'early', WITH_BOB, CALL) + dialog('b', 'confirmed')));
    expect(first.status).toBe(200);
    const watched = await watch(alice);
    const full = table.take((await watched.notify()).body);
    expect([full.state, table.entries]).toEqual([
      'full',
      [
        ['a', 'early'],
        ['b', 'confirmed'],
      ],
    ]);
    const [a] = full.dialogs;
    expect(a?.element.attributes.get('remote-tag')).toBe('r1');
    expect(watched.notifications[0]?.body).toContain('sip:bob@192.0.2.9');

    const second = await publish(info(dialog('a', 'confirmed', WITH_BOB, CALL) + dialog('b', 'confirmed')), { etag: first.etag });
    const changed = table.take((await watched.notify()).body);
    expect([changed.version, changed.state, changed.dialogs.map(({ id }) => id)]).toEqual([1, 'partial', ['a']]);

    await watched.refresh();
    expect(table.take((await watched.notify()).body)).toMatchObject({ version: 2, state: 'full' });
    expect(table.entries).toEqual([
      ['a', 'confirmed'],
      ['b', 'confirmed'],
    ]);

    const ended = dialog('a', 'terminated').replace('<state>', '<state event="remote-bye">');
    const third = await publish(info(ended), { etag: second.etag });
    const over = table.take((await watched.notify()).body);
    expect(over.dialogs.map(({ id, state }) => [id, state]).sort()).toEqual([
      ['a', 'terminated'],
      ['b', 'terminated'],
    ]);
    expect(watched.notifications.at(-1)?.body).toContain('event="remote-bye"');
    expect(table.entries).toEqual([]);

    // What is over is not told again, and leaves full state.
    expect((await publish(undefined, { etag: third.etag, expires: 0 })).status).toBe(200);
    await watched.refresh();
    expect(table.take((await watched.notify()).body)).toMatchObject({ version: 4, state: 'full', dialogs: [] });
  });

  it('3.3: leaves out session descriptions unless they are asked for, and tells them to the own agents alone', async () => {
    await publish(info(dialog('a', 'confirmed', WITH_BOB, CALL)));
    expect((await (await watch(alice)).notify()).body).not.toContain('secret');
    const asked = (await (await watch(alice, 'dialog;include-session-description')).notify()).body;
    expect(asked).toContain('v=0 secret');
    readDialogInfo(asked);
    const boss = await stage.admin();
    expect((await (await watch(boss, 'dialog;include-session-description')).notify()).body).not.toContain('secret');
  });

  it('3.2: one dialog, or those of one INVITE, by the parameters of Event', async () => {
    const fork = CALL.replace('r1', 'r2');
    const published = await publish(info(dialog('a', 'early', '', CALL) + dialog('b', 'early', '', fork) + dialog('c', 'confirmed')));
    expect(published.status).toBe(200);
    const ids = async (event: string) => readDialogInfo((await (await watch(alice, event)).notify()).body).dialogs.map(({ id }) => id);
    expect(await ids('dialog;call-id="c1@pc";to-tag=l1;from-tag=r2')).toEqual(['b']);
    expect(await ids('dialog;call-id="c1@pc";to-tag=l1')).toEqual(['a', 'b']);
    expect(await ids('dialog;call-id=none;to-tag=l1')).toEqual([]);
    for (const incomplete of ['dialog;call-id=x', 'dialog;to-tag=x', 'dialog;from-tag=x', 'dialog;call-id=x;from-tag=y']) {
      expect((await watch(alice, incomplete)).response.status, incomplete).toBe(400);
    }
  });

  it("3.3: leaves out the watcher's own call with the user", async () => {
    const mine = `<remote><target uri="${alice.contact}"/></remote>`;
    const first = await publish(info(dialog('a', 'confirmed', mine) + dialog('b', 'early')));
    const watched = await watch(alice);
    expect(readDialogInfo((await watched.notify()).body).dialogs.map(({ id }) => id)).toEqual(['b']);
    // Of a change in that call alone nothing is heard, and the version does not rise.
    const second = await publish(info(dialog('a', 'terminated', mine) + dialog('b', 'early')), { etag: first.etag });
    await publish(info(dialog('b', 'confirmed')), { etag: second.etag });
    expect(readDialogInfo((await watched.notify()).body)).toMatchObject({ version: 1, dialogs: [{ id: 'b', state: 'confirmed' }] });
  });

  it('3.6: nobody else without a rule of the user', async () => {
    const bob = await stage.peer('bob');
    expect((await watch(bob)).response.status).toBe(403);
    await rules(['allow', 'carol']);
    expect((await watch(bob)).response.status).toBe(403);
    expect((await bob.subscribe(stage.address('nobody'), { event: 'dialog' })).response.status).toBe(404);
  });

  it('3.7.2, 6.3: others whom a rule lets in learn that there is a call, and nothing else', async () => {
    await rules(['allow', 'bob']);
    const first = await publish(info(dialog('a', 'early', WITH_BOB, CALL)));
    const bob = await stage.peer('bob');
    const watched = await watch(bob);
    const busy = `<dialog-info xmlns="${NS}" version="0" state="full" entity="sip:alice@example.com">\n<dialog id="call"><state>confirmed</state></dialog>`;
    expect((await watched.notify()).body).toContain(busy);
    // A second call, and another state of the first, are not seen.
    const second = await publish(info(dialog('a', 'confirmed', WITH_BOB, CALL) + dialog('b', 'trying')), { etag: first.etag });
    await publish(undefined, { etag: second.etag, expires: 0 });
    const idle = readDialogInfo((await watched.notify()).body);
    expect(idle).toMatchObject({ version: 1, state: 'full', dialogs: [] });
    // 3.7.2: and whoever may know no more cannot ask for a dialog by its identifiers.
    await publish(info(dialog('a', 'early', WITH_BOB, CALL)));
    const one = await watch(bob, 'dialog;call-id="c1@pc";to-tag=l1;from-tag=r1');
    expect(readDialogInfo((await one.notify()).body).dialogs).toEqual([]);
  });

  it('shows whole dialogs by a rule with provide-all-attributes, and follows the rules at once', async () => {
    const bob = await stage.peer('bob');
    const all = '<provide-all-attributes xmlns="urn:ietf:params:xml:ns:pres-rules"/>';
    await rules(['allow', 'bob', all]);
    await publish(info(dialog('a', 'confirmed', WITH_BOB, CALL)));
    const watched = await watch(bob);
    const whole = (await watched.notify()).body;
    expect(readDialogInfo(whole).dialogs.map(({ id }) => id)).toEqual(['a']);
    expect(whole).toContain('sip:bob@example.org');
    expect(whole).not.toContain('secret');
    await rules(['allow', 'bob']);
    expect(readDialogInfo((await watched.notify()).body)).toMatchObject({ state: 'full', dialogs: [{ id: 'call', state: 'confirmed' }] });
    await rules(['polite-block', 'bob']);
    expect(readDialogInfo((await watched.notify()).body).dialogs).toEqual([]);
    await rules(['block', 'bob']);
    const last = await watched.notify();
    expect([last.state, last.reason, last.body]).toEqual(['terminated', 'rejected', '']);
  });

  it('a rule that asks for confirmation keeps the watcher pending, which dialog.winfo tells the user (RFC 3857)', async () => {
    await rules(['confirm', 'bob']);
    const winfo = await alice.subscribe(alice.address, { event: 'dialog.winfo', expires: 600 });
    expect(readWatcherinfo((await winfo.notify()).body).watchers).toEqual([]);
    const bob = await stage.peer('bob');
    const watched = await watch(bob);
    expect(await watched.notify()).toMatchObject({ state: 'pending', body: '' });
    const told = readWatcherinfo((await winfo.notify()).body);
    expect([told.package, told.watchers.map(({ uri, status }) => [uri, status])]).toEqual(['dialog', [[bob.address, 'pending']]]);
  });
});

describe('RFC 4235 4: dialog information published', () => {
  it('by several agents is one document, with unique ids', async () => {
    await publish(info(dialog('1', 'confirmed', '', 'call-id="x" local-tag="a"')));
    await publish(info(dialog('1', 'early', '', 'call-id="y" local-tag="b"')));
    const { dialogs } = readDialogInfo((await (await watch(alice)).notify()).body);
    expect(dialogs.map(({ id, element }) => [id, element.attributes.get('call-id')])).toEqual([
      ['1', 'y'],
      ['1.2', 'x'],
    ]);
  });

  it('4.3: as partial state changes the dialogs that it names', async () => {
    const first = await publish(info(dialog('a', 'early') + dialog('b', 'confirmed')));
    const second = await publish(info(dialog('a', 'confirmed') + dialog('c', 'trying'), 'partial'), { etag: first.etag });
    expect(second.status).toBe(200);
    const { dialogs } = readDialogInfo((await (await watch(alice)).notify()).body);
    expect(dialogs.map(({ id, state }) => [id, state]).sort()).toEqual([
      ['a', 'confirmed'],
      ['b', 'confirmed'],
      ['c', 'trying'],
    ]);
  });

  it('keeps what other specifications add, with its namespace', async () => {
    const shared = `<d:dialog-info xmlns:d="${NS}" xmlns:sa="urn:ietf:params:xml:ns:sa-dialog-info" version="0" state="full" entity="sip:alice@example.com"><d:dialog id="a"><d:state>confirmed</d:state><sa:appearance>2</sa:appearance></d:dialog></d:dialog-info>`;
    expect((await publish(shared)).status).toBe(200);
    const { dialogs } = readDialogInfo((await (await watch(alice)).notify()).body);
    const appearance = dialogs[0]?.element.children.find(({ name }) => name === 'appearance');
    expect([appearance?.namespace, appearance?.text]).toEqual(['urn:ietf:params:xml:ns:sa-dialog-info', '2']);
  });

  it('is the own user alone to publish, and ends with its publication', async () => {
    const bob = await stage.peer('bob');
    expect((await publish(info(''), { uri: alice.address }, bob)).status).toBe(403);
    await publish(info(dialog('a', 'confirmed')), { expires: 2 });
    const watched = await watch(alice);
    expect(readDialogInfo((await watched.notify()).body).dialogs).toHaveLength(1);
    expect(readDialogInfo((await watched.notify()).body)).toMatchObject({ state: 'partial', dialogs: [{ id: 'a', state: 'terminated' }] });
  });

  it.each([
    ['another root', '<a/>'],
    ['no XML', 'dialog'],
    ['a dialog without an id', info('<dialog><state>early</state></dialog>')],
    ['a dialog without a state', info('<dialog id="a"/>')],
    ['a state that is none', info(dialog('a', 'ringing'))],
    ['two dialogs of one id', info(dialog('a', 'early') + dialog('a', 'early'))],
    ['a document type', `<!DOCTYPE a [<!ENTITY e "x">]>${info('')}`],
    [
      'a namespace that would be repeated without end',
      info(Array.from({ length: 150 }, (_, i) => dialog(String(i), 'early', '<a:x/>')).join('')).replace(
        '<dialog-info',
        `<dialog-info xmlns:a="urn:${'x'.repeat(20_000)}"`,
      ),
    ],
    ['dialogs without end', info(Array.from({ length: 1000 }, (_, i) => dialog(String(i), 'early')).join(''))],
  ])('with %s is refused with 400', async (_, body) => {
    expect((await publish(body)).status).toBe(400);
  });

  it('writes what was published as text as text', async () => {
    const nasty = '&lt;dialog id=&quot;x&quot;&gt;&amp;';
    await publish(info(dialog('a', 'confirmed', `<remote><identity display-name="${nasty}">sip:x@example.org</identity></remote>`)));
    await publish(info(dialog('a', 'early', '', `call-id="${nasty}" local-tag="&quot;"`)));
    const { dialogs } = readDialogInfo((await (await watch(alice)).notify()).body);
    expect(dialogs.map(({ id }) => id)).toEqual(['a', 'a.2']);
    expect(dialogs[0]?.element.attributes.get('call-id')).toBe('<dialog id="x">&');
  });
});
