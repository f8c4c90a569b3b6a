/** Filters at work (RFC 4660 5.3): on bodies as the package renders them for the watcher, so that none shows more than may be seen. */
import { ContentFilter, outlineOf } from '../../schemas/filter/content.ts';
import type { FilterContents } from '../../schemas/filter/filter-set.ts';
import { FilteredDocument } from '../../schemas/filter/filtered-document.ts';
import { TriggerFilter } from '../../schemas/filter/trigger.ts';
import type { Body } from './event-package.ts';

/** What is filtered at all: above that, a body counts as one that takes too long (RFC 4660 5.3.1). */
const MOST_BYTES = 128 * 1024;
const MOST_TAGS = 4000;

const LESS_THAN = 0x3c;

/** Documents read last, for one body is filtered by many. */
const DOCUMENT_LIMIT = 16;
const documents = new Map<Body, FilteredDocument | undefined>();

function documentOf(body: Body): FilteredDocument | undefined {
  if (documents.has(body)) return documents.get(body);
  const document = isBearable(body.bytes) ? new FilteredDocument(body.bytes.toString('utf8')) : undefined;
  if (documents.size >= DOCUMENT_LIMIT) for (const oldest of documents.keys()) if (documents.delete(oldest)) break;
  documents.set(body, document);
  return document;
}

function isBearable(bytes: Buffer): boolean {
  if (bytes.length > MOST_BYTES) return false;
  let tags = 0;
  for (let at = bytes.indexOf(LESS_THAN); at >= 0; at = bytes.indexOf(LESS_THAN, at + 1)) if (++tags > MOST_TAGS) return false;
  return true;
}

/** Milliseconds that filters may take in one turn of the event loop. */
const TURN_LIMIT = 20;
let spent = 0;
let resetting = false;

/** Whether filters have taken so long in this turn of the event loop that the rest must wait for the next. */
export function filteringIsSpent(): boolean {
  return spent > TURN_LIMIT;
}

function timed<T>(work: () => T): T {
  const start = performance.now();
  try {
    return work();
  } finally {
    spent += performance.now() - start;
    if (!resetting) {
      resetting = true;
      setImmediate(() => {
        spent = 0;
        resetting = false;
      });
    }
  }
}

/** Outcomes kept for one body; whatever is dropped is found out again. */
const OUTCOME_LIMIT = 200;

interface Filtered {
  readonly body: Body;
  /** Nothing is left but what every document has. */
  readonly isEmpty: boolean;
}

/** The start tag of the body's root alone, as an element. */
function rootOf({ bytes }: Body): string {
  const text = bytes.subarray(0, ROOT_LIMIT).toString('utf8');
  const [, name = '', attributes = ''] = /<([^\s/>?!]+)((?:[^>"']|"[^"]*"|'[^']*')*?)\/?>/.exec(text) ?? [];
  return `<${name}${attributes}/>`;
}

/** Bytes that a root's start tag may take. */
const ROOT_LIMIT = 16 * 1024;
const NO_BYTES = Buffer.alloc(0);

/** A filter as text made ready, shared by all watches that asked for the same. */
class CompiledFilter {
  readonly hasTriggers: boolean;
  private readonly content: ContentFilter | undefined;
  private readonly trigger: TriggerFilter;

  constructor({ what, triggers, bindings }: FilterContents) {
    this.content = what && new ContentFilter(what, bindings);
    this.hasTriggers = triggers.length > 0;
    this.trigger = new TriggerFilter(triggers, bindings);
  }

  apply(body: Body, volatile: RegExp | undefined): Filtered {
    if (!this.content) return { body, isEmpty: false };
    const outcomes = outcomesOf(filtered, body);
    let outcome = outcomes.get(this);
    if (!outcome) {
      const { content } = this;
      const { text, isEmpty } = timed(() => {
        const document = documentOf(body);
        return document ? content.apply(document) : outlineOf(new FilteredDocument(rootOf(body)));
      });
      const essence = volatile ? { essence: text.replace(volatile, '') } : {};
      outcome = { body: { contentType: body.contentType, bytes: Buffer.from(text, 'utf8'), ...essence }, isEmpty };
      outcomes.set(this, outcome);
    }
    return outcome;
  }

  fires(before: Body, after: Body): boolean {
    if (before === after) return false;
    const outcomes = outcomesOf(fired, after);
    let outcome = outcomes.get(this);
    if (outcome?.before !== before) {
      const fires = timed(() => {
        const [from, to] = [documentOf(before), documentOf(after)];
        return !from || !to || this.trigger.fires(from, to);
      });
      outcome = { before, fires };
      outcomes.set(this, outcome);
    }
    return outcome.fires;
  }
}

const filtered = new WeakMap<Body, Map<CompiledFilter, Filtered>>();
const fired = new WeakMap<Body, Map<CompiledFilter, { readonly before: Body; readonly fires: boolean }>>();

function outcomesOf<T>(all: WeakMap<Body, Map<CompiledFilter, T>>, body: Body): Map<CompiledFilter, T> {
  let outcomes = all.get(body);
  if (!outcomes) all.set(body, (outcomes = new Map()));
  if (outcomes.size >= OUTCOME_LIMIT) outcomes.clear();
  return outcomes;
}

const COMPILED_LIMIT = 1000;
const compiled = new Map<string, CompiledFilter>();

function compiledFilter(contents: FilterContents): CompiledFilter {
  const key = JSON.stringify(contents);
  let filter = compiled.get(key);
  if (!filter) {
    filter = new CompiledFilter(contents);
    if (compiled.size >= COMPILED_LIMIT) compiled.clear();
    compiled.set(key, filter);
  }
  return filter;
}

/** The filter of one watch, and what its triggers compare with. */
export class WatchFilter {
  private readonly filter: CompiledFilter;
  /** Before it was filtered: what was rendered last, and what the watcher was told last (RFC 4661 3.6.1). */
  private rendered: Body | undefined;
  private told: Body | undefined;

  constructor(contents: FilterContents) {
    this.filter = compiledFilter(contents);
  }

  /** What the watcher is told of a body; one without bytes where that is nothing. `volatile`: parts whose change alone is no change. */
  apply(body: Body, volatile: RegExp | undefined): Body {
    const { body: rest, isEmpty } = this.applyToPart(body, volatile);
    return isEmpty ? { contentType: body.contentType, bytes: NO_BYTES } : rest;
  }

  /** The same for what must not be empty (RFC 4662 5.5: a member that is active has a document). */
  applyToMember(body: Body, volatile: RegExp | undefined): Body {
    return this.applyToPart(body, volatile).body;
  }

  private applyToPart(body: Body, volatile: RegExp | undefined): Filtered {
    this.rendered = body;
    return this.filter.apply(body, volatile);
  }

  /** Whether what was rendered last is to be told, by the triggers; undefined where there are none. */
  get triggered(): boolean | undefined {
    if (!this.filter.hasTriggers) return undefined;
    return !this.told || !this.rendered || this.filter.fires(this.told, this.rendered);
  }

  /** What was rendered last has been told. */
  noteTold(): void {
    if (this.filter.hasTriggers) this.told = this.rendered;
  }

  /** What has been told is not known to the watcher. */
  noteLost(): void {
    this.told = undefined;
  }
}
