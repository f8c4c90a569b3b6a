import { canonicalAddress } from '../schemas/address.ts';
import { GenerationCache } from '../schemas/generation-cache.ts';
import type { XmlDocument } from '../schemas/xml/tree.ts';
import type { XuiDirectory } from './access.ts';
import type { Access, ApplicationUsage } from './application-usage.ts';
import { DocumentQuota } from './document-quota.ts';
import { type DocumentSelector, parseDocumentSelector } from './document-selector.ts';
import {
  answerNotModified,
  authorise,
  bindPrefixes,
  checkChangeable,
  checkConditions,
  checkContentType,
  isWritable,
  load,
  represent,
  requireDocument,
  unknownUser,
} from './document-steps.ts';
import { type DocumentStore, documentId, type MaybePromise } from './document-store.ts';
import { EditQueue } from './edit-queue.ts';
import { applyDelete, applyPut, store, validate } from './edit-steps.ts';
import { XcapRefusal } from './errors.ts';
import type { Environment, Exchange, PipelineStep, Target, XcapAnswer, XcapRequest } from './exchange.ts';
import { parseNodeSelector } from './node-selector.ts';
import { orderRoots, splitXcapUri } from './uri.ts';
import { VersionCache } from './version-cache.ts';

/** A GET from top to bottom (RFC 4825 8.3). */
const GET: readonly PipelineStep[] = [authorise, bindPrefixes, load, requireDocument, answerNotModified, represent];

/** A change (RFC 4825 8.2, 8.4): what depends on the request alone, then what is done again when another write came first. */
const PUT = {
  request: [authorise, bindPrefixes, checkChangeable, checkContentType],
  document: [load, checkConditions, applyPut, validate, store],
};
const DELETE = {
  request: [authorise, bindPrefixes, checkChangeable],
  document: [load, checkConditions, requireDocument, applyDelete, validate, store],
};

export interface DocumentServiceOptions {
  readonly store: DocumentStore;
  readonly usages: readonly ApplicationUsage[];
  readonly xuiDirectory: XuiDirectory;
  /** Paths of the XCAP roots, e.g. `/xcap-root`, `/`. */
  readonly roots: readonly string[];
  /** The URI by which clients know the XCAP root, e.g. `https://xcap.example.com/xcap-root`; without it, URIs in answers are path references. */
  readonly publicRoot?: string;
  readonly limits?: {
    /** Greatest size of a document in UTF-8; 1 MiB unless told. */
    readonly documentBytes?: number;
    /** Greatest depth of nested elements; 100 unless told. */
    readonly depth?: number;
    /** Most documents of one user, of all usages together; unbounded unless told. */
    readonly documents?: number;
    /** Greatest number of elements and attributes; 20,000 unless told: more of them hold up everything else for too long. */
    readonly nodes?: number;
  };
}

/** A request target taken apart. */
interface ParsedTarget extends Pick<Target, 'usage' | 'node' | 'uri'>, Pick<DocumentSelector, 'xui' | 'name'> {
  /** Of the whole target. */
  readonly length: number;
}

/** XCAP documents and their nodes (RFC 4825 8), whatever protocol asks for them. */
export class DocumentService {
  readonly documentBytes: number;
  private readonly usages: ReadonlyMap<string, ApplicationUsage>;
  private readonly environment: Environment;
  private readonly targets = new GenerationCache<ParsedTarget>(TARGET_CHARACTERS, ({ length }) => length + TARGET_OVERHEAD);
  private readonly queue = new EditQueue();

  constructor({ store, usages, xuiDirectory, roots, publicRoot = '', limits = {} }: DocumentServiceOptions) {
    this.documentBytes = limits.documentBytes ?? 1024 * 1024;
    this.usages = new Map(usages.map((usage) => [usage.auid, usage]));
    this.environment = {
      store,
      directory: xuiDirectory,
      // Clients' references between documents are by the URI that they know.
      roots: orderRoots(publicRoot === '' ? roots : [...roots, publicRoot.replace(/^https?:\/\/[^/]*/i, '')]),
      publicRoot: publicRoot.replace(/\/$/, ''),
      documentBytes: this.documentBytes,
      quota: new DocumentQuota(
        store,
        usages.map(({ auid }) => auid),
        limits.documents ?? Number.POSITIVE_INFINITY,
      ),
      limits: { depth: limits.depth ?? 100, nodes: limits.nodes ?? NODES },
      namespaces: new Set(usages.flatMap((usage) => usage.namespaces)),
      trees: new VersionCache<XmlDocument>(TREE_CHARACTERS, ({ source }) => source.length),
      reading: new Map(),
      contents: new WeakMap(),
    };
  }

  /** What a raw request target names. Throws XcapRefusal: 404 for an unknown usage or user and as `identify` does. */
  locate(rawTarget: string): Target {
    const target = this.identify(rawTarget);
    if (target.unknownXui !== undefined) throw unknownUser(target.unknownXui);
    return target;
  }

  /**
   * What a raw request target names, whether its user is known or not: RFC 4825 8 puts the 404 for an unknown user before
   * authentication, but there it would tell strangers who is a user here, so that `authorise` gives it to those who may know.
   * Throws XcapRefusal: 404 for an unknown usage and for unknown extension selectors, 400 for what is no XCAP URI.
   */
  identify(rawTarget: string): Target {
    const { usage, xui, name, node, uri } = this.parse(rawTarget);
    const { auid } = usage;
    const user = xui === undefined ? undefined : this.environment.directory.resolveXui(xui);
    if (xui === undefined || user !== undefined) return { usage, key: { auid, xui: user, name }, node, uri };
    const absent = canonicalAddress(/^[^@]*:/.test(xui) ? xui : `sip:${xui}`);
    return { usage, key: { auid, xui: absent, name }, node, uri, unknownXui: xui };
  }

  /** What of a request target is the same whoever asks, and whenever: clients ask for the same ones again and again. */
  private parse(rawTarget: string): ParsedTarget {
    const known = this.targets.get(rawTarget);
    if (known) return known;
    const uri = splitXcapUri(rawTarget, this.environment.roots);
    if (!uri) throw new XcapRefusal(404, 'the URI lies under no XCAP root of this server');
    const { auid, xui, name } = parseDocumentSelector(uri.document);
    const usage = this.usages.get(auid);
    if (!usage) throw new XcapRefusal(404, `there is no application usage ${auid} here`);
    const node = uri.node === undefined ? undefined : parseNodeSelector(uri.node, uri.query);
    const parsed = { usage, xui, name, node, uri, length: rawTarget.length };
    this.targets.set(rawTarget, parsed);
    return parsed;
  }

  /** Whether what the target names can be changed at all, whoever asks. */
  isChangeable({ usage, key, node }: Target): boolean {
    return isWritable(usage, key) && !(node?.selectsNamespaces ?? false);
  }

  /** Throws XcapRefusal where the requester may not write what the target names: for work that is to be done only for who may. */
  checkWriter(request: XcapRequest): MaybePromise<void> {
    return authorise(newExchange(request, 'write'), this.environment);
  }

  /** Throws (or rejects with) XcapRefusal. */
  get(request: XcapRequest): MaybePromise<XcapAnswer> {
    const exchange = newExchange(request, 'read');
    const pending = run(GET, exchange, this.environment);
    return pending ? pending.then(() => answerOf(exchange)) : answerOf(exchange);
  }

  /** Rejects with XcapRefusal or XcapConflict; resolves once the change is durable. */
  put(request: XcapRequest): Promise<XcapAnswer> {
    return this.change(PUT, request);
  }

  /** Rejects with XcapRefusal or XcapConflict; resolves once the change is durable. */
  delete(request: XcapRequest): Promise<XcapAnswer> {
    return this.change(DELETE, request);
  }

  private async change(pipeline: typeof PUT, request: XcapRequest): Promise<XcapAnswer> {
    const exchange = newExchange(request, 'write');
    const pending = run(pipeline.request, exchange, this.environment);
    if (pending) await pending;
    return this.queue.run(documentId(request.target.key), async () => {
      // The queue keeps this process's edits apart, so that only another writer of the store can come first.
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const pending = run(pipeline.document, exchange, this.environment);
        if (pending) await pending;
        if (exchange.answer) return exchange.answer;
      }
      throw new XcapRefusal(503, 'other changes of this document kept coming first', { 'retry-after': '1' });
    });
  }
}

const ATTEMPTS = 20;
const NODES = 20_000;
/** A tree takes some thirty times the memory of its text. */
const TREE_CHARACTERS = 4 * 1024 * 1024;
/** Of request targets: a few thousand usual ones. */
const TARGET_CHARACTERS = 2 * 1024 * 1024;
/** What a target takes besides its text, in characters, about. */
const TARGET_OVERHEAD = 500;

function newExchange(request: XcapRequest, access: Access): Exchange {
  return {
    request,
    access,
    selector: undefined,
    stored: undefined,
    edited: undefined,
    changed: undefined,
    created: false,
    answer: undefined,
  };
}

/** Takes the steps in turn until there is an answer; gives a promise only from the first step on that does. */
function run(steps: readonly PipelineStep[], exchange: Exchange, environment: Environment, from = 0): Promise<void> | undefined {
  for (let i = from; i < steps.length && !exchange.answer; i++) {
    const pending = steps[i]?.(exchange, environment);
    if (pending) return pending.then(() => run(steps, exchange, environment, i + 1));
  }
  return undefined;
}

function answerOf({ answer }: Exchange): XcapAnswer {
  if (!answer) throw new Error('the pipeline ended without an answer');
  return answer;
}
