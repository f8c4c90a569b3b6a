import { afterEach, beforeEach, expect, test } from 'vitest';
import { readPidf } from '../helpers/pidf-reader.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { XcapClient } from '../helpers/xcap-client.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { writeRules } from '../scenarios/steps.ts';

const stage = new Stage();
let someone: SipPeer;
let xcap: XcapClient;
const INDEX = '/pidf-manipulation/users/someone/index';
beforeEach(async () => {
  await stage.boot();
  someone = await stage.peer('someone', { transport: 'tcp' });
  xcap = await stage.xcap('someone');
});
afterEach(() => stage.close());

/** The shape of the document in section 11: a service that is closed, one that is open, and a person away. */
const away = (note: string): string => `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:rp="urn:ietf:params:xml:ns:pidf:rpid" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:ci="urn:ietf:params:xml:ns:pidf:cipid" entity="sip:someone@example.com">
  <tuple id="voice"><status><basic>closed</basic></status><rp:user-input>idle</rp:user-input><rp:class>auth-1</rp:class><contact priority="0.5">sip:someone@example.com</contact><note>mail only</note><timestamp>2004-02-06T16:49:29Z</timestamp></tuple>
  <tuple id="mail"><status><basic>open</basic></status><rp:class>auth-1</rp:class><contact priority="1.0">mailto:someone@example.com</contact><note>${note}</note></tuple>
  <dm:person id="p1"><rp:class>auth-A</rp:class><ci:homepage>http://www.example.com/~someone</ci:homepage><rp:activities><rp:vacation/></rp:activities></dm:person>
</presence>`;

test('11: the document of an absent user is all there is, and a note in it is changed by itself, on condition', async () => {
  await writeRules(stage, 'someone', 'allow', ['A']);
  const watcher = await stage.peer('A');
  const subscription = await watcher.subscribe(someone.address, { expires: 600 });
  await subscription.notify();
  const put = await xcap.put(INDEX, away('now and then'));
  expect(put.status).toBe(201);
  const seen = readPidf((await subscription.notify()).body);
  expect(seen.tuples.map(({ id, basic }) => `${id} ${basic}`)).toEqual(['voice closed', 'mail open']);
  const note = `${INDEX}/~~/presence/tuple%5b@id=%22mail%22%5d/note`;
  expect((await xcap.put(note, '<note>on Tuesdays</note>', { 'If-Match': '"stale"' })).status).toBe(412);
  expect((await xcap.put(note, '<note>on Tuesdays</note>', { 'If-Match': put.etag })).status).toBe(200);
  expect((await subscription.notify()).body).toContain('<note>on Tuesdays</note>');
  expect((await xcap.get(INDEX)).body).toBe(away('on Tuesdays'));
});

test('3: what is published and what is stored never change one another', async () => {
  expect((await xcap.put(INDEX, away('a'))).status).toBe(201);
  const publication = await someone.publish(pidf(someone.address, { basic: 'open', tuple: 'mail' }), { expires: 600 });
  expect((await xcap.get(INDEX)).body).toBe(away('a'));
  // Neither are the tuples of the other's in reach of a selector, nor does the end of one end the other.
  const changed = await xcap.put(`${INDEX}/~~/presence/tuple%5b@id=%22mail%22%5d/note`, '<note>b</note>');
  expect(changed.status).toBe(200);
  const refreshed = await someone.publish(undefined, { etag: publication.etag, expires: 600 });
  expect(refreshed.response.status).toBe(200);
  expect((await xcap.delete(INDEX)).status).toBe(200);
  const fetch = await someone.subscribe(someone.address, { expires: 0 });
  expect(readPidf((await fetch.notify()).body).tuples.map(({ id, basic }) => `${id} ${basic}`)).toEqual(['mail open']);
  expect((await someone.publish(undefined, { etag: refreshed.etag, expires: 0 })).response.status).toBe(200);
  expect((await xcap.get(INDEX)).status).toBe(404);
});

test('9: one document of a user, named index, whoever of the devices writes it', async () => {
  expect((await xcap.put(INDEX, away('a'))).status).toBe(201);
  const other = await stage.xcap('someone');
  expect((await other.put(INDEX, away('b'))).status).toBe(200);
  for (const name of ['presence', 'index.xml', 'Index', 'dir/index']) {
    expect((await xcap.put(INDEX.replace('index', name), away('c'))).status).toBe(409);
  }
  expect((await other.get(INDEX)).body).toBe(away('b'));
});

test('10: nobody but the user and admins reads or writes it', async () => {
  await xcap.put(INDEX, away('a'));
  const stranger = await stage.xcap('A');
  expect((await stranger.get(INDEX)).status).toBe(403);
  expect((await stranger.put(INDEX, away('b'))).status).toBe(403);
  expect((await stranger.delete(INDEX)).status).toBe(403);
  // Watchers neither: presence is what the rules let them see of it.
  await writeRules(stage, 'someone', 'allow', ['A']);
  expect((await stranger.get(INDEX)).status).toBe(403);
  await stage.admin();
  expect((await (await stage.xcap('boss')).put(INDEX, away('b'))).status).toBe(200);
});
