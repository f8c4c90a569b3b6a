import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FILTER_TYPE, filter, filterSet, including, withFilters } from '../helpers/filters.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { Stage } from '../scenarios/stage.ts';

const stage = new Stage();
let a: SipPeer;
let b: SipPeer;

beforeEach(async () => {
  await stage.boot({ defaultDecision: 'allow' });
  a = await stage.peer('A', { transport: 'tcp' });
  b = await stage.peer('B', { transport: 'tcp' });
});
afterEach(() => stage.close());

async function answer(body: string | Buffer, event = 'presence', type = FILTER_TYPE, headers: readonly (readonly [string, string])[] = []) {
  const { response } = await a.subscribe(b.address, { event, headers: [['Content-Type', type], ...headers], body });
  return { status: response.status, warning: header(response, 'warning'), reason: response.reason, accept: header(response, 'accept') };
}

const NS = 'xmlns="urn:ietf:params:xml:ns:simple-filter"';
const plain = filter(including('//pidf:tuple'));

describe('RFC 4660 5.4: what is no filter', () => {
  test.each([
    ['no XML', 'nothing'],
    ['cut off', filterSet(plain).slice(0, -20)],
    ['a document type', `<!DOCTYPE filter-set [<!ENTITY e SYSTEM "file:///etc/passwd">]><filter-set ${NS}><filter id="1"><what><include>&e;</include></what></filter></filter-set>`],
    ['entities in entities', `<!DOCTYPE f [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]><filter-set ${NS}>&b;</filter-set>`],
    ['an unknown entity', `<filter-set ${NS}><filter id="1"><what><include>&nbsp;</include></what></filter></filter-set>`],
    ['elements too deep', `<filter-set ${NS}>${'<filter>'.repeat(200)}${'</filter>'.repeat(200)}</filter-set>`],
    ['too many elements', filterSet(filter('<x/>'.repeat(3000)))],
  ])('%s is answered 400', async (_, body) => {
    expect(await answer(body)).toMatchObject({ status: 400 });
  }); // biome-ignore format: a table

  test.each([
    ['another root', `<filters ${NS}/>`],
    ['another namespace', '<filter-set xmlns="urn:ietf:params:xml:ns:simple-winfo-filter"><filter id="1"/></filter-set>'],
    ['no filter', `<filter-set ${NS}/>`],
    ['no id', filterSet(filter(including('//pidf:tuple'), ''))],
    ['the same id twice', filterSet(plain, filter(including('//pidf:note'), 'id="1" uri="sip:x@y.z"'))],
    ['the same resource twice', filterSet(plain, filter(including('//pidf:note'), 'id="2"'))],
    ['a uri and a domain', filterSet(filter(including('//pidf:tuple'), 'id="1" uri="sip:a@b.c" domain="b.c"'))],
    ['neither what nor trigger', filterSet(filter(''))],
    ['an unknown type', filterSet(filter('<what><include type="regexp">.*</include></what>'))],
    ['an unknown prefix', filterSet(filter(including('//none:tuple')))],
    ['a function', filterSet(filter(including('//pidf:tuple[contains(.,"x")]')))],
    ['an endless expression', filterSet(filter(including(`/${'pidf:a/'.repeat(140)}pidf:a`)))],
    ['a deep condition', filterSet(filter(including(`//pidf:a${'[pidf:b[pidf:c'.repeat(20)}`)))],
    ['an empty include', filterSet(filter('<what><include/></what>'))],
    ['by something that is no number', filterSet(filter('<trigger><changed by="x">//pidf:basic</changed></trigger>'))],
    ['by beside a word', filterSet(filter('<trigger><changed by="1" to="open">//pidf:basic</changed></trigger>'))],
    ['a condition in a trigger', filterSet(filter('<trigger><added>//pidf:tuple[@id="1"]</added></trigger>'))],
    ['another package', filterSet(plain).replace('<filter-set', '<filter-set package="dialog"')],
    ['more parts than a server need bear', filterSet(filter(including(...Array.from({ length: 41 }, (_, n) => `//pidf:t${n}`))))],
    ['a prefix bound twice', filterSet(plain).replace('<ns-bindings>', '<ns-bindings><ns-binding prefix="pidf" urn="urn:x"/>')],
    ['elements of its own namespace where there are none', filterSet(filter('<what/><where/>'))],
  ])('%s is answered 488, with a Warning', async (_, body) => {
    expect(await answer(body)).toMatchObject({ status: 488, warning: expect.stringMatching(/^399 rollcall "[\x20-\x7e]{5,}"$/) });
  }); // biome-ignore format: a table

  test('10,000 filters, and as many in a small body, are answered 413', async () => {
    const many = filterSet(Array.from({ length: 10_000 }, (_, n) => filter(including('//pidf:tuple'), `id="${n}"`)).join(''));
    expect((await answer(many)).status).toBe(413);
    expect((await answer(gzipSync(many), 'presence', FILTER_TYPE, [['Content-Encoding', 'gzip']])).status).toBe(413);
    // What is coded and small enough is read.
    expect((await answer(gzipSync(filterSet(plain)), 'presence', FILTER_TYPE, [['Content-Encoding', 'gzip']])).status).toBe(200);
  });

  test('packages without filters answer 415', async () => {
    expect(await answer(filterSet(plain), 'message-summary')).toMatchObject({ status: 415, accept: '' });
  });

  test('a filter beside another part is found', async () => {
    const body = `--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x\r\nContent-Type: ${FILTER_TYPE}\r\n\r\n${filterSet(filter(''))}\r\n--x--\r\n`;
    expect((await answer(body, 'presence', 'multipart/mixed;boundary=x')).status).toBe(488);
  });

  test('extensions are passed over (RFC 4661 4), an empty <what> is none (RFC 4660 5.4)', async () => {
    await b.publish(
      `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${b.address}"><tuple id="t"><status><basic>open</basic></status></tuple></presence>`,
    );
    for (const contents of ['<what/><x xmlns="urn:x"/>', '<what/><trigger/>']) {
      const subscription = await a.subscribe(b.address, withFilters(filterSet(filter(contents, 'id="1" x:y="z" xmlns:x="urn:x"'))));
      expect((await subscription.notify()).body).toContain('open');
    }
  });
});

test('RFC 4660 8: a document that it would take too long to filter is told empty, and all else goes on', async () => {
  const deep = (n: number): string => (n === 0 ? 'x' : `<x:a>${deep(n - 1)}</x:a>`);
  const tuples = Array.from({ length: 20 }, (_, n) => `<tuple id="t${n}"><status><basic>open</basic></status>${deep(60)}</tuple>`).join('');
  const { status } = await b.publish(
    `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:x="urn:x" entity="${b.address}">${tuples}</presence>`,
  );
  expect(status).toBe(200);
  const costly = Array.from({ length: 20 }, (_, n) => `//*//*//*//*[.//x="${n}"]`.replace('.//x', '*//*'));
  const subscription = await a.subscribe(b.address, withFilters(filterSet(filter(including(...costly)))));
  expect([subscription.response.status, (await subscription.notify()).body]).toEqual([200, '']);
  const cheap = await a.subscribe(b.address, withFilters(filterSet(filter(including('//pidf:tuple[@id="t1"]')))));
  expect((await cheap.notify()).body.match(/<tuple/g)).toHaveLength(1);
});
