import { afterEach, describe, expect, test } from 'vitest';
import { filter, filterSet, including, withFilters } from '../helpers/filters.ts';
import { readPidf } from '../helpers/pidf-reader.ts';
import { Stage } from '../scenarios/stage.ts';
import { writeRules } from '../scenarios/steps.ts';

const stage = new Stage();
afterEach(() => stage.close());

/** RFC 4660 7.1. */
const pidf = (im: string, voice: string, note = '') =>
  `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="${stage.address('B')}">
  <tuple id="432sd"><status><basic>${im}</basic></status><rpid:class>IM</rpid:class><contact>im:presentity@example.com</contact></tuple>
  <tuple id="thr76jk"><status><basic>${voice}</basic></status><rpid:class>voice</rpid:class><contact>tel:2224055555@example.com</contact></tuple>${note}
</presence>`;

async function setting() {
  await stage.boot();
  const b = await stage.peer('B');
  const a = await stage.peer('A');
  await writeRules(stage, 'B', 'allow', ['A']);
  let { etag } = await b.publish(pidf('closed', 'open'), { expires: 600 });
  return {
    a,
    b,
    publish: async (im: string, voice: string, note = '') => {
      ({ etag } = await b.publish(pidf(im, voice, note), { expires: 600, etag }));
    },
  };
}

describe('RFC 4660 7.1: presence', () => {
  test('7.1.1: the tuple for messages alone', async () => {
    const { a, b } = await setting();
    const im = '//pidf:tuple[rpid:class="IM" or rpid:class="SMS"\n or rpid:class="MMS"]';
    const body = filterSet(
      filter(including(`${im}/pidf:status/pidf:basic`, `${im}/rpid:class`, `${im}/pidf:contact`), `id="123" uri="${b.address}"`),
    );
    const subscription = await a.subscribe(b.address, withFilters(body));
    expect(subscription.response.status).toBe(200);
    const { tuples } = readPidf((await subscription.notify()).body);
    expect(tuples).toMatchObject([{ id: '432sd', basic: 'closed', contact: 'im:presentity@example.com' }]);
  });
});
