import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PIDF } from '../../schemas/pidf.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { meaningOf, PidfDiffClient } from '../helpers/pidf-diff-client.ts';
import { readPidf } from '../helpers/pidf-reader.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { PARTIAL } from '../rfc5263/presence-documents.ts';
import { Stage } from '../scenarios/stage.ts';

let stage: Stage;
let bob: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
  bob = await stage.peer('bob');
});
afterEach(() => stage.close());

const NAMESPACES =
  'xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:lt="urn:ietf:params:xml:ns:location-type" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" xmlns:c="urn:ietf:params:xml:ns:pidf:cipid" xmlns:caps="urn:ietf:params:xml:ns:pidf:caps"';

/** What the RFCs' examples have, in their vocabularies. */
const EXAMPLES: Readonly<Record<string, string>> = {
  'RPID (RFC 4480 4)': `<tuple id="bs35r9"><status><basic>open</basic></status><dm:deviceID>urn:device:0003ba4811e3</dm:deviceID><rpid:relationship><rpid:self/></rpid:relationship><rpid:service-class><rpid:electronic/></rpid:service-class><contact priority="0.8">im:someone@mobile.example.net</contact><note xml:lang="en">busy</note><note xml:lang="fr">occupé</note><timestamp>2005-10-27T16:49:29Z</timestamp></tuple><note>in Tokyo</note><dm:person id="p1"><rpid:activities><rpid:note>far</rpid:note><rpid:away/></rpid:activities><rpid:class>calendar</rpid:class><rpid:mood><rpid:angry/><rpid:other>brooding</rpid:other></rpid:mood><rpid:place-is><rpid:audio><rpid:noisy/></rpid:audio></rpid:place-is><rpid:place-type><lt:residence/></rpid:place-type><rpid:privacy><rpid:unknown/></rpid:privacy><rpid:sphere>bowling league</rpid:sphere><rpid:status-icon>http://example.com/play.gif</rpid:status-icon><rpid:time-offset>-240</rpid:time-offset><dm:note>Scoring 120</dm:note><dm:timestamp>2005-05-30T16:09:44+05:00</dm:timestamp></dm:person><dm:device id="pc147"><rpid:user-input idle-threshold="600" last-input="2004-10-21T13:20:00-05:00">idle</rpid:user-input><dm:deviceID>urn:device:0003ba4811e3</dm:deviceID><dm:note>PC</dm:note></dm:device>`,
  'CIPID (RFC 4482 4)': `<tuple id="bs78"><status><basic>closed</basic></status><rpid:relationship><rpid:assistant/></rpid:relationship><c:card>http://example.com/~assistant/card.vcd</c:card><c:homepage>http://example.com/~assistant</c:homepage><contact priority="0.1">im:assistant@example.com</contact><timestamp>2005-05-30T22:00:29Z</timestamp></tuple><dm:person id="p1"><c:card>http://example.com/~someone/card.vcd</c:card><c:display-name>Some One</c:display-name><c:homepage>http://example.com/~someone</c:homepage><c:icon>http://example.com/~someone/icon.gif</c:icon><c:map>http://example.com/~someone/gml-map.xml</c:map><c:sound>http://example.com/~someone/whoosh.wav</c:sound><dm:timestamp>2005-05-30T22:02:44+05:00</dm:timestamp></dm:person>`,
  'capabilities (RFC 5196 5)': `<tuple id="joi9877866786ua9"><status><basic>open</basic></status><caps:servcaps><caps:audio>true</caps:audio><caps:description xml:lang="en">Example service</caps:description><caps:duplex><caps:supported><caps:full/></caps:supported></caps:duplex><caps:message>true</caps:message><caps:methods><caps:supported><caps:ACK/><caps:BYE/><caps:INVITE/><caps:MESSAGE/></caps:supported></caps:methods><caps:priority><caps:supported><caps:lowerthan maxvalue="10"/></caps:supported></caps:priority><caps:schemes><caps:supported><caps:s>sip</caps:s></caps:supported></caps:schemes><caps:video>false</caps:video></caps:servcaps><contact>sip:someone@example.com</contact></tuple><dm:device id="hgt67"><caps:devcaps><caps:mobility><caps:supported><caps:mobile/></caps:supported></caps:mobility></caps:devcaps><dm:deviceID>urn:uuid:d27459b7-8213-4395-aa77-ed859a3e5b3a</dm:deviceID></dm:device>`,
};
const document = (content: string) => `<presence ${NAMESPACES} entity="${bob.address}">${content}</presence>`;

describe('RFC 3863 4.2: extensions pass through', () => {
  it.each(Object.keys(EXAMPLES))('%s: published, told, told as changes, and kept as hard state', async (name) => {
    const body = document(EXAMPLES[name] ?? '');
    expect(schemaViolations(PIDF, body)).toEqual([]);
    const watch = await bob.subscribe(bob.address, { accept: PARTIAL });
    const client = new PidfDiffClient();
    client.receive(await watch.notify());
    const { etag } = await bob.publish(body, { expires: 600 });
    client.receive(await watch.notify());
    expect(client.meaning).toBe(meaningOf(body));
    const seen = async () => {
      const fetch = await bob.subscribe(bob.address, { expires: 0 });
      return (await fetch.notify()).body;
    };
    expect(meaningOf(await seen())).toBe(meaningOf(body));
    expect(schemaViolations(PIDF, await seen())).toEqual([]);
    await bob.publish(undefined, { etag, expires: 0 });
    const xcap = await stage.xcap('bob');
    expect((await xcap.put('/pidf-manipulation/users/bob/index', body)).status).toBe(201);
    expect(meaningOf(await seen())).toBe(meaningOf(body));
  });

  it('all of them together, of three agents, are one valid document', async () => {
    for (const content of Object.values(EXAMPLES)) expect((await bob.publish(document(content), { expires: 600 })).status).toBe(200);
    const fetch = await bob.subscribe(bob.address, { expires: 0 });
    const { body } = await fetch.notify();
    expect(schemaViolations(PIDF, body)).toEqual([]);
    const { tuples, extensions } = readPidf(body);
    expect(tuples).toHaveLength(3);
    expect(extensions.map(({ name }) => name).sort()).toEqual(['device', 'device', 'person', 'person']);
  });
});
