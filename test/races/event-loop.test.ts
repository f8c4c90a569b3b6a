import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startWatchedServer, type WatchedServer } from '../helpers/watched-server.ts';
import { SHAPES, type Shape } from '../rfc4825/hostile-shapes.ts';
import { listDocument, nextDiff, pathOf, watchResources, write } from '../rfc5875/diff-stage.ts';
import { Stage } from '../scenarios/stage.ts';
import { VERSIONS } from './hostile-versions.ts';

/** Milliseconds for which nothing may hold the event loop up. */
const LIMIT = 50;
/** Other processes hold it up too: once of so many times must do. */
const TRIES = 4;

const stage = new Stage();
let server: WatchedServer;
beforeEach(async () => {
  server = await startWatchedServer({ diffInterval: 0 });
  await stage.use(server);
});
afterEach(() => stage.close());

/** The work is to be done by another user each time. */
async function expectFree(work: (user: string) => Promise<void>, prepare?: (user: string) => Promise<void>): Promise<void> {
  const delays: number[] = [];
  for (let n = 0; n < TRIES; n++) {
    await prepare?.(`u${n}`);
    await server.longestDelay();
    await work(`u${n}`);
    delays.push(await server.longestDelay());
    if ((delays.at(-1) ?? 0) < LIMIT) break;
  }
  expect(Math.min(...delays)).toBeLessThan(LIMIT);
}

describe('RFC 5874, RFC 5261: versions of a document that are compared', () => {
  test.each(Object.entries(VERSIONS))('%s: no turn of the event loop is longer than 50 ms', { timeout: 60_000 }, async (_, versions) => {
    await expectFree(async (user) => {
      const [peer, xcap] = [await stage.peer(user), await stage.xcap(user)];
      const index = pathOf(stage, user);
      for (const size of [99_000, 30_000]) {
        const [before, after] = versions(size);
        await write(xcap, index, before);
        const subscriptions = [await watchResources(peer, 'aggregate', [index]), await watchResources(peer, 'xcap-patching', [index])];
        for (const subscription of subscriptions) await nextDiff(subscription);
        const etag = await write(xcap, index, after);
        for (const subscription of subscriptions) {
          let told: string | undefined;
          while (told !== etag) told = (await nextDiff(subscription)).diffs[0]?.newEtag;
          await subscription.unsubscribe();
        }
      }
    });
  });

  test('as large as can be, which are compared in one place alone', { timeout: 60_000 }, async () => {
    await expectFree(async (user) => {
      const [peer, xcap] = [await stage.peer(user), await stage.xcap(user)];
      const index = pathOf(stage, user);
      for (const shape of ['a list as long as can be', 'as deep as can be, again and again']) {
        const before = SHAPES[shape]?.text ?? '';
        const versions = [before, before.replaceAll('-x', '-y').replaceAll('<list></list>', '<list> </list>')];
        const first = await write(xcap, index, versions[0]);
        const subscription = await watchResources(peer, 'aggregate', [index, `${index}/~~/resource-lists/list`]);
        expect((await nextDiff(subscription)).diffs[0]?.newEtag).toBe(first);
        const etag = await write(xcap, index, versions[1]);
        expect((await nextDiff(subscription)).diffs[0]).toMatchObject({ newEtag: etag, operations: [] });
        const third = await write(xcap, index, (versions[1] ?? '').replace(/<list\b/, '<list name="fresh"/><list'));
        // The element is told of at once, the patch when it is made.
        let told: { readonly newEtag: string | undefined; readonly operations: readonly string[] } | undefined;
        while (told?.newEtag !== third) [told] = (await nextDiff(subscription)).diffs;
        expect(told?.operations).toEqual(['add']);
        await subscription.unsubscribe();
      }
    });
  });

  test('of very many documents at once', { timeout: 60_000 }, async () => {
    // So long that all of them have changed when they are told.
    server = await startWatchedServer({ diffInterval: 4 });
    await stage.use(server);
    const names = Array.from({ length: 100 }, (_, n) => `d${n}`);
    const versions = VERSIONS['all entries moved']?.(15_000) ?? [];
    await expectFree(async (user) => {
      const [peer, xcap] = [await stage.peer(user), await stage.xcap(user)];
      const put = async (text: string | undefined): Promise<string[]> => {
        const etags: string[] = [];
        for (const name of names) etags.push(await write(xcap, pathOf(stage, user, name), text));
        return etags;
      };
      await put(versions[0]);
      const collection = `resource-lists/users/${stage.address(user)}/`;
      const subscriptions = [
        await watchResources(peer, 'aggregate', [collection]),
        await watchResources(peer, 'xcap-patching', [collection]),
      ];
      for (const subscription of subscriptions) {
        for (let told = 0; told < names.length; ) told += (await nextDiff(subscription)).diffs.length;
      }
      const etags = await put(versions[1]);
      for (const subscription of subscriptions) {
        const current = new Set<string | undefined>();
        while (!etags.every((etag) => current.has(etag))) {
          for (const { newEtag } of (await nextDiff(subscription)).diffs) current.add(newEtag);
        }
        await subscription.unsubscribe();
      }
    });
  });

  test('in which very many nodes are named', { timeout: 60_000 }, async () => {
    const text = (value: string) => VERSIONS['thousands of namespaces above all changes']?.(60_000)[value === 'a' ? 0 : 1];
    await expectFree(async (user) => {
      const [peer, xcap] = [await stage.peer(user), await stage.xcap(user)];
      const names = Array.from({ length: 20 }, (_, n) => `d${n}`);
      const nodes = names.flatMap((name) =>
        Array.from({ length: 10 }, (_, n) => `${pathOf(stage, user, name)}/~~/resource-lists/list/list[${n + 1}]`),
      );
      for (const name of names) await write(xcap, pathOf(stage, user, name), text('a'));
      const subscription = await watchResources(peer, 'no-patching', nodes);
      for (let told = 0; told < nodes.length; ) told += (await nextDiff(subscription)).diffs.length;
      for (const name of names) await write(xcap, pathOf(stage, user, name), text('b'));
      for (let told = 0; told < nodes.length; ) told += (await nextDiff(subscription)).diffs.length;
      await subscription.unsubscribe();
    });
  });
});

describe('RFC 5025 9.7: rules that are compiled', () => {
  const RULES = Object.entries(SHAPES).filter(([, { auid }]) => auid === 'pres-rules');
  const subscribe = async (user: string, watcher: string): Promise<void> => {
    const peer = await stage.peer(watcher);
    const subscription = await peer.subscribe(stage.address(user), { expires: 60 });
    if (subscription.response.status === 403) return;
    await subscription.notify();
    await subscription.unsubscribe();
  };

  test.each(RULES)('%s', { timeout: 60_000 }, async (_, { text }: Shape) => {
    await expectFree(async (user) => {
      const xcap = await stage.xcap(user);
      const rules = pathOf(stage, user, 'index', 'pres-rules');
      const { status } = await xcap.put(`/${rules}`, text);
      expect([201, 409, 413]).toContain(status);
      await subscribe(user, 'watcher');
      await xcap.put(`/${rules}`, `${text}\n`);
      await subscribe(user, 'watcher');
    });
  });

  test('very many documents of them', { timeout: 120_000 }, async () => {
    const namespace = 'urn:ietf:params:xml:ns:common-policy';
    const rules = Array.from(
      { length: 500 },
      (_, n) => `<rule id="r${n}"><conditions><identity><one id="sip:${n}@x"/></identity></conditions></rule>`,
    );
    const text = `<ruleset xmlns="${namespace}">${rules.join('')}</ruleset>`;
    await expectFree(
      (user) => subscribe(user, 'watcher'),
      async (user) => {
        const xcap = await stage.xcap(user);
        await Promise.all(Array.from({ length: 100 }, (_, n) => write(xcap, pathOf(stage, user, `d${n}`, 'pres-rules'), text)));
      },
    );
  });
});

describe('documents that the server makes', () => {
  test('OMA XDM Core: the directory of a user with as many documents as can be', { timeout: 120_000 }, async () => {
    await expectFree(
      async (user) => {
        const xcap = await stage.xcap(user);
        const directory = `/${pathOf(stage, user, 'directory.xml', 'org.openmobilealliance.xcap-directory')}`;
        for (let n = 0; n < 3; n++) expect((await xcap.get(directory)).body.match(/<entry /g)).toHaveLength(990);
        expect((await xcap.get(`${directory}/~~/*/*%5B1%5D/*%5B900%5D`)).status).toBe(200);
      },
      async (user) => {
        const xcap = await stage.xcap(user);
        const name = (n: number) => encodeURIComponent(`${'"&<>\''.repeat(30)}${n}`);
        for (let from = 0; from < 990; from += 99) {
          await Promise.all(Array.from({ length: 99 }, (_, n) => write(xcap, pathOf(stage, user, name(from + n)), listDocument())));
        }
      },
    );
  });

  test("RFC 4826 4.4.7: the index of all users' services", { timeout: 120_000 }, async () => {
    const prefix = (user: string) => (n: number) => `<service uri="sip:${user}-${n}@example.com"><list>${' '.repeat(120)}</list></service>`;
    const text = (user: string) =>
      `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">${Array.from({ length: 4900 }, (_, n) => prefix(user)(n)).join('')}</rls-services>`;
    const more = Array.from({ length: 10 }, (_, n) => `more${n}`);
    for (const user of more) await write(await stage.xcap(user), pathOf(stage, user, 'index', 'rls-services'), text(user));
    await stage.admin();
    const xcap = await stage.xcap('boss');
    await expectFree(async (user) => {
      await stage.user(user);
      await write(xcap, pathOf(stage, user, 'index', 'rls-services'), text(user));
      const index = '/rls-services/global/index';
      const whole = await xcap.get(index);
      expect([whole.status, whole.body.length > 8_000_000]).toEqual([200, true]);
      expect((await xcap.get(index, { 'accept-encoding': 'gzip' })).status).toBe(200);
      expect((await xcap.get(`${index}/~~/rls-services/service%5B@uri=%22sip:${user}-7@example.com%22%5D`)).status).toBe(200);
      await write(xcap, pathOf(stage, user, 'index', 'rls-services'), undefined);
    });
  });
});

describe('a process that has just been started', () => {
  test.each(['a list as long as can be', 'as many attributes as can be', 'as many rules as can be', 'as many services as can be'])(
    'its first document, %s',
    { timeout: 60_000 },
    async (name) => {
      const { auid, text } = SHAPES[name] as Shape;
      await expectFree(
        async (user) => {
          const xcap = await stage.xcap(user);
          expect((await xcap.put(`/${pathOf(stage, user, 'index', auid)}`, text)).status).toBe(201);
        },
        async () => {
          server = await startWatchedServer({ diffInterval: 0 });
          await stage.use(server);
        },
      );
    },
  );
});
