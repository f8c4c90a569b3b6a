import { afterAll, describe, expect, it } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import type { Watch } from '../../sip/events/event-package.ts';
import { xcapDiffPackage } from '../../sip/packages/xcap-diff.ts';
import type { DiffProcessing, DiffTerms } from '../../sip/packages/xcap-diff-terms.ts';
import { holds, type NodeResource, type XcapCollection, type XcapResources } from '../../sip/packages/xcap-resources.ts';
import { TimerWheel } from '../../sip/transport/timer-wheel.ts';
import type { DocumentKey, StoredDocument } from '../../xcap/document-store.ts';
import { XcapDiffClient } from '../helpers/xcap-diff-client.ts';
import { RandomEditor } from '../rfc5261/random-document.ts';

const wheel = new TimerWheel();
afterAll(() => wheel.close());

const WATCHER = 'sip:a@d';
const ALL: XcapCollection = { kind: 'collection', auid: 't', tree: undefined, xui: undefined, prefix: '' };
const keyOf = (name: string): DocumentKey => ({ auid: 't', xui: WATCHER, name });

/** Documents in memory, read at once or by promises. */
class Documents {
  readonly stored = new Map<string, StoredDocument>();
  readonly resources: XcapResources;
  private seq = 0;

  constructor(late: boolean) {
    const give = <T>(value: T): T | Promise<T> => (late ? new Promise((resolve) => setImmediate(resolve, value)) : value);
    this.resources = {
      rootUri: () => 'http://x/',
      locate: (uri) => {
        const [name = '', node] = uri.split('/~~/');
        if (name === '') return ALL;
        return node === undefined ? { kind: 'document', key: keyOf(name) } : firstElement(keyOf(name));
      },
      mayRead: (watcher, key) => watcher === key.xui,
      isShared: () => false,
      readsOthers: () => false,
      get: (key) => give(this.stored.get(key.name)),
      isStored: () => true,
      list: (auid, xui) => give([...this.stored.values()].filter(({ key }) => key.auid === auid && key.xui === xui)),
      listAll: () => [],
      pathOf: ({ name }) => name,
    };
  }

  /** Writes a text or, with undefined, deletes; gives the change, or undefined when there is none. */
  write(name: string, text: string | undefined) {
    const previousEtag = this.stored.get(name)?.etag;
    if (previousEtag === undefined && text === undefined) return undefined;
    const newEtag = text === undefined ? undefined : `e${++this.seq}`;
    if (newEtag === undefined || text === undefined) this.stored.delete(name);
    else this.stored.set(name, { key: keyOf(name), etag: newEtag, text, modified: 0 });
    return {
      seq: this.seq,
      key: keyOf(name),
      ...(previousEtag !== undefined && { previousEtag }),
      ...(newEtag !== undefined && { newEtag }),
    };
  }
}

/** The first element in the root. */
function firstElement(key: DocumentKey): NodeResource {
  return {
    kind: 'element',
    key,
    select(document) {
      const [element] = document.root.elements;
      return element && { text: document.source.slice(element.start, element.end), node: document, namespaces: () => new Map() };
    },
  };
}

function wellFormed(editor: RandomEditor, text: string | undefined): string {
  for (;;) {
    const next = text === undefined || editor.below(10) === 0 ? editor.document() : editor.edit(text);
    try {
      parseXml(next);
      return next;
    } catch {
      // Another one, then.
    }
  }
}

describe('RFC 5875 4.7: whatever happens and whenever it is told, the watcher ends with what there is', () => {
  const modes: DiffProcessing[] = ['no-patching', 'xcap-patching', 'aggregate'];
  it.each(modes.flatMap((mode) => [[mode, 'at once'] as const, [mode, 'late'] as const]))(
    '%s, documents read %s',
    async (mode, reading) => {
      const editor = new RandomEditor(mode.length * 31 + reading.length);
      const [late, names] = [reading === 'late', ['a', 'b', 'c', 'd']];
      let patches = 0;
      for (let round = 0; round < 30; round++) {
        const documents = new Documents(late);
        for (const name of names) if (editor.below(2) === 0) documents.write(name, wellFormed(editor, undefined));
        const due = new Set<Watch>();
        const diff = xcapDiffPackage({
          resources: documents.resources,
          wheel,
          now: Date.now,
          interval: 0,
          touch: (watch) => due.add(watch),
        });
        const terms = (of: DiffProcessing): DiffTerms => ({
          mode: of,
          uris: editor.pick([['a', 'b', 'a/~~/e'], ['/~~', ''], ['', 'b/~~/e', 'd'], ['']]).filter((uri) => uri !== '/~~'),
        });
        const watch = {
          id: `w${round}`,
          watcher: WATCHER,
          displayName: undefined,
          resource: WATCHER,
          contentType: '',
          terms: terms(mode) as unknown,
          memo: undefined as unknown,
        };
        const client = new XcapDiffClient();
        let version = 0;
        const decision = diff.authorize(WATCHER, WATCHER, 0);
        const tell = (full: boolean): void => {
          due.delete(watch);
          const body = diff.render(undefined, decision, { watch, full, version });
          if (!body) return;
          version++;
          client.receive(body.bytes.toString('utf8'));
          for (const [name, { text, etag }] of client.documents) {
            const stored = documents.stored.get(name);
            // One that is newer than what was told is of no use (RFC 5875 4.8).
            if (text === undefined && stored?.etag === etag && stored && editor.below(2) === 0)
              client.fetched(name, stored.etag, stored.text);
          }
        };
        const settle = async (): Promise<void> => {
          for (let turn = late ? 0 : 2; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
        };
        await diff.opened?.(watch);
        tell(true);
        for (let step = 0; step < 60; step++) {
          const name = editor.pick(names);
          const text = documents.stored.get(name)?.text;
          const change = documents.write(name, text !== undefined && editor.below(6) === 0 ? undefined : wellFormed(editor, text));
          if (change) for (const resource of diff.affectedBy?.(change) ?? []) expect(resource).toBeUndefined();
          if (editor.below(3) === 0) await settle();
          if (editor.below(3) === 0 && due.has(watch)) tell(false);
          if (editor.below(20) === 0) {
            if (editor.below(2) === 0) watch.terms = { ...(watch.terms as DiffTerms), mode: editor.pick(modes) };
            await diff.refreshed?.(watch);
            tell(true);
          }
        }
        // What is compared in turns of its own is told when that is done.
        for (let quiet = 0; quiet < 20; quiet++) {
          await settle();
          if (due.has(watch)) quiet = 0;
          while (due.has(watch)) tell(false);
        }

        const { uris } = watch.terms as DiffTerms;
        const followed = names.filter((name) => uris.includes(name) || (uris.includes('') && holds(ALL, keyOf(name))));
        for (const name of followed) {
          const [known, stored] = [client.documents.get(name), documents.stored.get(name)];
          expect([name, known?.etag]).toEqual([name, stored?.etag]);
          if (known?.text !== undefined) expect(known.text).toBe(stored?.text);
        }
        for (const uri of uris.filter((other) => other.includes('/~~/'))) {
          const stored = documents.stored.get(uri.slice(0, 1));
          const wanted = stored && firstElement(stored.key).select(parseXml(stored.text))?.text;
          expect([uri, client.nodes.get(uri)]).toEqual([uri, wanted]);
        }
        patches += client.patches;
        diff.closed?.(watch);
        expect(diff.entityTag?.(watch)).toBeUndefined();
      }
      // A text that is read late has often been overtaken by the next change.
      if (mode !== 'no-patching') expect(patches).toBeGreaterThan(late ? 10 : 100);
    },
  );
});
