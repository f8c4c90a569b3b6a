import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attributeOf, expand, type RawNode, readRaw } from '../helpers/raw-xml.ts';
import { token } from '../helpers/token.ts';
import { Stage } from '../scenarios/stage.ts';

const NAMESPACE = '{urn:ietf:params:xml:ns:watcherinfo}';
/** RFC 3261 25.1: what a token is made of. */
const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;
const stage = new Stage();
beforeEach(async () => void (await stage.boot()));
afterEach(() => stage.close());

const elements = ({ children }: RawNode): RawNode[] => children.filter(({ kind }) => kind === 'element');
const named = (node: RawNode) => expand(node.name, node.scope);
const attributes = (node: RawNode): string[] => node.attributes.map(({ name }) => name).filter((name) => !name.startsWith('xmlns'));

describe('RFC 3858 3: a watcher information document', () => {
  test.each([
    ['plain', '"Alice" ', 'Alice'],
    ['in quotation marks and angle brackets', '"<A> & \\"B\\" \'C\'" ', '<A> & "B" \'C\''],
    ['beyond ASCII', '"Zoë Ωμέγα 漢字 😀" ', 'Zoë Ωμέγα 漢字 😀'],
    ['like markup', '"]]><!-- <watcher/> --><?x?>" ', ']]><!-- <watcher/> --><?x?>'],
    ['without a name', '', undefined],
  ])('3: is well-formed, has all that it must and nothing else, whatever the watcher calls itself: %s', async (_, name, expected) => {
    const [alice, bob] = [await stage.peer('alice'), await stage.peer('bob')];
    const watchers = await bob.subscribe(bob.address, { event: 'presence.winfo', expires: 600 });
    await watchers.notify();
    const terms = { uri: bob.address, callId: token(), localTag: token(4), expires: 600 };
    const subscription = alice.expectSubscription(terms);
    const from = `${name}<${alice.address}>;tag=${terms.localTag}`;
    let cseq = 0;
    const headers = [['Event', 'presence'], ['Expires', '600'], ['Contact', `<${alice.contact}>`]] as const; // biome-ignore format: one line
    const response = await alice.request({
      method: 'SUBSCRIBE',
      uri: bob.address,
      from,
      callId: terms.callId,
      cseq: () => ++cseq,
      headers,
    });
    expect(subscription.respond(response)).toEqual([]);

    const { message } = await watchers.notify();
    const text = new TextDecoder('utf-8', { fatal: true }).decode(message.body);
    expect(text).toMatch(/^<\?xml version="1.0" encoding="UTF-8"\?>/);
    const [root] = elements(readRaw(text));
    if (!root) throw new Error(text);
    expect([named(root), attributes(root).sort()]).toEqual([`${NAMESPACE}watcherinfo`, ['state', 'version']]);
    expect([attributeOf(root, 'version'), attributeOf(root, 'state')]).toEqual(['1', 'partial']);
    const [list, ...otherLists] = elements(root);
    if (!list) throw new Error(text);
    expect([otherLists.length, named(list), attributes(list).sort()]).toEqual([0, `${NAMESPACE}watcher-list`, ['package', 'resource']]);
    const [watcher, ...others] = elements(list);
    if (!watcher) throw new Error(text);
    expect([others.length, named(watcher), elements(watcher).length]).toEqual([0, `${NAMESPACE}watcher`, 0]);
    const optional = ['display-name', 'duration-subscribed', 'expiration'];
    expect(
      attributes(watcher)
        .filter((attribute) => !optional.includes(attribute))
        .sort(),
    ).toEqual(['event', 'id', 'status']);
    expect(attributeOf(watcher, 'id')).toMatch(TOKEN);
    expect(attributeOf(watcher, 'display-name')).toBe(expected);
    // The subscription that is named by an id is the same in the next document, which is full.
    await watchers.refresh(600);
    const [again] = elements(elements(elements(readRaw((await watchers.notify()).body))[0] as RawNode)[0] as RawNode);
    expect(again && attributeOf(again, 'id')).toBe(attributeOf(watcher, 'id'));
  });
});
