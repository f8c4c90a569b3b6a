import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { ruleset, ruleXml } from './decide-by.ts';

let stage: Stage;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
});
afterEach(() => stage.close());

const ALICE = '<identity><one id="sip:alice@example.com"/></identity>';
const presence = (basic: string, mood: string) =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:bob@example.com"><tuple id="t"><status><basic>${basic}</basic></status></tuple><dm:person id="p"><rpid:mood><rpid:${mood}/></rpid:mood></dm:person></presence>`;
const SERVICES = '<p:provide-services><p:all-services/></p:provide-services>';

describe('RFC 4745: what stays as it is', () => {
  test('3.3: a change of what the watcher may not see is not told, nor is a rule that changes nothing for it', async () => {
    const alice = await stage.peer('alice');
    const bob = await stage.peer('bob', { transport: 'tcp' });
    const xcap = await stage.xcap('bob');
    const write = (...rules: readonly string[]) => xcap.put(rulesPath('bob'), ruleset(...rules));
    await write(ruleXml('a', ALICE, 'allow', SERVICES));
    const { etag = '' } = await bob.publish(presence('open', 'happy'), { expires: 600 });
    const watching = await alice.subscribe(bob.address, { expires: 600 });
    await watching.notify();
    const second = await bob.publish(presence('open', 'sad'), { expires: 600, etag });
    await write(ruleXml('a', ALICE, 'allow', SERVICES), ruleXml('b', ALICE, 'confirm', '<p:provide-mood>true</p:provide-mood>'));
    await bob.publish(presence('closed', 'sad'), { expires: 600, etag: second.etag ?? '' });
    expect((await watching.notify()).body).toContain('<basic>closed</basic>');
    expect(watching.notifications).toHaveLength(2);
  });

  test('7.4: a rule that is over stays in its document', async () => {
    const alice = await stage.peer('alice');
    const xcap = await stage.xcap('bob');
    const over = '<validity><from>2001-01-01T00:00:00Z</from><until>2002-01-01T00:00:00Z</until></validity>';
    const document = ruleset(ruleXml('a', ALICE + over, 'allow', SERVICES));
    await xcap.put(rulesPath('bob'), document);
    const watching = await alice.subscribe(stage.address('bob'), { expires: 600 });
    expect((await watching.notify()).state).toBe('pending');
    expect((await xcap.get(rulesPath('bob'))).body).toBe(document);
  });
});
