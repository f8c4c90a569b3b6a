import { describe, expect, it } from 'vitest';
import { type ListItem, parseResourceLists, RESOURCE_LISTS } from '../../schemas/resource-lists.ts';
import { parseRlsServices, RLS_SERVICES } from '../../schemas/rls-services.ts';
import { parseXml, XmlError } from '../../schemas/xml/parse.ts';

/** Without elements, and lists as [name, items]. */
function outline(item: ListItem): unknown {
  return item.kind === 'list'
    ? [item.name, item.items.map(outline)]
    : item.kind === 'entry'
      ? item.uri
      : item.kind === 'entryRef'
        ? item.ref
        : item.anchor;
}

describe('RFC 4826 3: resource lists', () => {
  const source = `<?xml version="1.0" encoding="UTF-8"?>
<rl:resource-lists xmlns:rl="${RESOURCE_LISTS}" xmlns:x="urn:example:x">
  <rl:list name="friends"><rl:display-name xml:lang="en">Fr &amp; Co</rl:display-name>
    <rl:entry uri=" sip:bill@example.com"><rl:display-name xml:lang="de">Bill</rl:display-name></rl:entry>
    <rl:list name="close">
      <rl:entry uri="sip:joe@example.com"/>
      <rl:list><rl:external anchor="http://a.example/x/~~/y%5b1%5d"/></rl:list>
    </rl:list>
    <rl:entry-ref ref="resource-lists/users/sip:b@example.com/index/~~/a"><rl:display-name>P</rl:display-name></rl:entry-ref>
    <rl:entry uri="sip:last@example.com"/>
    <x:entry uri="sip:none@example.com"/>
  </rl:list>
  <rl:list/>
</rl:resource-lists>`;

  it('keeps nesting and document order', () => {
    expect(parseResourceLists(parseXml(source)).map(outline)).toEqual([
      [
        'friends',
        [
          'sip:bill@example.com',
          ['close', ['sip:joe@example.com', [undefined, ['http://a.example/x/~~/y%5b1%5d']]]],
          'resource-lists/users/sip:b@example.com/index/~~/a',
          'sip:last@example.com',
        ],
      ],
      [undefined, []],
    ]);
  });

  it('gives display names with their language', () => {
    const [friends, empty] = parseResourceLists(parseXml(source));
    expect(friends?.displayName).toEqual({ text: 'Fr & Co', lang: 'en' });
    expect(empty?.displayName).toBeUndefined();
    expect(friends?.items[0]).toEqual({ kind: 'entry', uri: 'sip:bill@example.com', displayNames: [{ text: 'Bill', lang: 'de' }] });
    expect(friends?.items[2]).toMatchObject({ kind: 'entryRef', displayNames: [{ text: 'P', lang: undefined }] });
  });

  it('gives the element of each list', () => {
    const [friends] = parseResourceLists(parseXml(source));
    expect(source.slice(friends?.element.start, friends?.element.contentStart)).toBe('<rl:list name="friends">');
  });

  it('is about no other document', () => {
    expect(() => parseResourceLists(parseXml(`<list xmlns="${RESOURCE_LISTS}"/>`))).toThrow(XmlError);
    expect(() => parseResourceLists(parseXml('<resource-lists/>'))).toThrow('{}resource-lists');
  });
});

describe('RFC 4826 4: RLS services', () => {
  const services = parseRlsServices(
    parseXml(`<rls-services xmlns="${RLS_SERVICES}" xmlns:rl="${RESOURCE_LISTS}" xmlns:x="urn:example:x">
      <service uri="pres:MyBuddies@EXAMPLE.com">
        <resource-list>
          http://xcap.example.com/resource-lists/users/sip:joe@example.com/index/~~/
          resource-lists/list%5b@name=%22l1%22%5d
        </resource-list>
        <packages> <package> presence </package><x:more/><package>dialog</package></packages>
      </service>
      <service uri="sip:marketing@example.com">
        <list name="marketing"><rl:entry uri="sip:joe@example.com"/><entry uri="sip:not-of-the-list@example.com"/></list>
      </service>
    </rls-services>`),
  );

  it('refers to a list elsewhere', () => {
    expect(services[0]).toMatchObject({
      uri: 'pres:MyBuddies@EXAMPLE.com',
      canonical: 'sip:MyBuddies@example.com',
      list: undefined,
      resourceList: 'http://xcap.example.com/resource-lists/users/sip:joe@example.com/index/~~/resource-lists/list%5b@name=%22l1%22%5d',
      packages: ['presence', 'dialog'],
    });
  });

  it('or holds it, in its own namespace with contents in the other', () => {
    const [, marketing] = services;
    expect(marketing?.list && outline(marketing.list)).toEqual(['marketing', ['sip:joe@example.com']]);
    expect(marketing).toMatchObject({ resourceList: undefined, packages: [] });
    expect(marketing?.element.local).toBe('service');
  });

  it('is about no other document', () => {
    expect(() => parseRlsServices(parseXml(`<resource-lists xmlns="${RESOURCE_LISTS}"/>`))).toThrow(XmlError);
  });
});
