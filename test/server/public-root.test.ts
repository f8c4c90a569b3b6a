import { afterEach, expect, test } from 'vitest';
import { listDocument, nextDiff, pathOf, told, watchResources, write } from '../rfc5875/diff-stage.ts';
import { Stage } from '../scenarios/stage.ts';

const stage = new Stage();
afterEach(() => stage.close());

const ROOT = 'https://xcap.example.com/lists';

test('RFC 4825 6.1: URIs that clients are given, and those that they give, are below the root as they know it', async () => {
  await stage.boot({ xcapPublicRoot: ROOT, diffInterval: 0 });
  const a = await stage.peer('A');
  const xcap = await stage.xcap('A');
  const path = pathOf(stage, 'A');
  const etag = await write(xcap, path, listDocument());

  // 11.1: the closest ancestor there is; a forwarded-for field changes nothing in it.
  const orphan = await xcap.put(`/${path}/~~/resource-lists/list%5B@name=%22none%22%5D/entry`, '<entry uri="sip:x@x"/>', {
    'content-type': 'application/xcap-el+xml',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'gopher',
    forwarded: 'host=evil.example',
  });
  expect([orphan.status, orphan.body]).toEqual([409, expect.stringContaining(`<ancestor>${ROOT}/${path}/~~/resource-lists</ancestor>`)]);
  expect((await xcap.get('/org.openmobilealliance.xcap-directory/users/A/directory.xml')).body).toContain(`uri="${ROOT}/${path}"`);

  for (const uri of [path, `${ROOT}/${path}`, `${ROOT}/resource-lists/users/A/`]) {
    const diff = await nextDiff(await watchResources(a, undefined, [uri], { expires: 0 }));
    expect([diff.root, told(diff).map((item) => (item as string[])[2])]).toEqual([`${ROOT}/`, [etag]]);
  }

  // RFC 4826 4.4.5: under an XCAP root of this server.
  const services = (root: string) =>
    `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="sip:friends@example.com"><resource-list>${root}/${path}/~~/resource-lists/list%5B@name=%22friends%22%5D</resource-list><packages><package>presence</package></packages></service></rls-services>`;
  expect((await xcap.put('/rls-services/users/A/index', services('https://xcap.example.com/other'))).status).toBe(409);
  expect((await xcap.put('/rls-services/users/A/index', services(ROOT))).status).toBe(201);
});
