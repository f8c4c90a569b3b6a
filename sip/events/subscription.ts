/** One subscription in its dialog (RFC 6665 4.2): its timers, what its watcher was told last, and how it is kept over a restart. */
import { isTranslated } from '../core/translated-address.ts';
import type { UacTarget } from '../core/uac.ts';
import { Dialog, type DialogState, type KeptDialog, numbered } from '../dialog/dialog.ts';
import type { ContentCoding } from '../message/content-coding.ts';
import type { SipRequest } from '../message/message.ts';
import type { Timer } from '../transport/timer-wheel.ts';
import type { Destination, Flow } from '../transport/transport.ts';
import type { Body } from './event-package.ts';
import { filterFor, type KeptFilter } from './filter-set.ts';
import type { RateControl, Rates } from './rate-control.ts';
import { ORIGIN, WatchBase, type WatchInit } from './watch.ts';
import { WatchFilter } from './watch-filter.ts';
import type { WatcherEvent, WatcherStatus } from './watcher-state.ts';

export type EndReason = 'deactivated' | 'probation' | 'rejected' | 'timeout' | 'giveup' | 'noresource';

/** A subscription as plain JSON, for the state store. */
export interface SubscriptionRecord {
  readonly dialog: KeptDialog | DialogState;
  /** The package's key. */
  readonly package: string;
  readonly event: string;
  readonly resource: string;
  readonly watcher: string;
  readonly aliases?: readonly string[] | undefined;
  readonly displayName?: string | undefined;
  readonly source?: string | undefined;
  readonly contentType: string;
  readonly since: number;
  readonly expiresAt: number;
  readonly status: WatcherStatus | 'init';
  readonly lastEvent: WatcherEvent;
  readonly firstCSeq: number;
  /** It has ended, but the watcher has not answered the NOTIFY that says so. */
  readonly ending?: EndReason | undefined;
  readonly retryAfter?: number | undefined;
  /** Where that is later than `since`. */
  readonly undecidedSince?: number | undefined;
  /** As `EventPackage.readTerms` gave them. */
  readonly terms?: unknown;
  /** Suppress-If-Match, where it holds; and whether a 204 has said so. */
  readonly condition?: string | undefined;
  readonly answeredSilently?: boolean | undefined;
  readonly filters?: readonly KeptFilter[] | undefined;
  /** As the watcher asked for them. */
  readonly rates?: Rates | undefined;
  /** What bodies may be coded in. */
  readonly coding?: ContentCoding | undefined;
  /** Where a watcher behind a NAT is reached. */
  readonly destination?: Destination | undefined;
  /** The domain that the watcher's server has proved to be by TLS. */
  readonly provedName?: string | undefined;
  /** Which of the subscription's records it is. */
  readonly revision?: number | undefined;
}

/** What a refresh that asks for nothing else changes, of the record of that revision. */
export type RenewalRecord = readonly [
  revision: number,
  expiresAt: number,
  remoteCSeq: number,
  localCSeq: number,
  status: SubscriptionRecord['status'],
  lastEvent: WatcherEvent,
];

/** CSeq numbers are set aside in blocks, so that not every NOTIFY has to be written down; a restart goes on after the block. */
const CSEQ_BLOCK = 128;

/** A Contact at which no datagrams are taken. */
const RELIABLE = /^sips:|;transport=(?:tcp|tls|ws|wss)(?:;|$)/i;

export class Subscription extends WatchBase {
  readonly dialog: Dialog;
  /** The Event header field of the last SUBSCRIBE, spelled as the watcher did. */
  eventHeader: string;
  /** Suppress-If-Match of the last SUBSCRIBE, as long as it holds (RFC 5839 6.3). */
  condition: string | undefined;
  /** The condition came in the dialog, a 204 has said that it holds (RFC 5839 6.3), and nothing has been told since. */
  answeredSilently = false;
  readonly firstCSeq: number;
  target: UacTarget;
  private destination: Destination | undefined;
  /** Highest CSeq that the stored record covers. */
  private reservedCSeq = 0;
  private revision = 0;
  private expiry: number;
  expiryTimer: Timer | undefined;
  /** What is to be told: nothing, whatever has changed, or the state in any case. */
  due: 'nothing' | 'changed' | 'forced' = 'nothing';
  /** The next NOTIFY must carry the whole state. */
  full = true;
  restored = false;
  /** The next NOTIFY is the last one, for this reason. */
  ending: EndReason | undefined;
  /** With an ending: seconds before which the watcher is asked not to come back (RFC 6665 4.1.3). */
  retryAfter: number | undefined;
  /** A subscription that ends with its first NOTIFY (RFC 6665 4.4.3). */
  fetch = false;
  /** The last NOTIFY had no room for all: the rest is no change, and is told at once. */
  unfinished = false;
  /** The SUBSCRIBE has been answered; nothing is told before. */
  started = false;
  /** A NOTIFY is on its way; the next waits for its response. */
  inFlight = false;
  /** The watcher has asked not to be told anything for a time (Retry-After). */
  held = false;
  againTimer: Timer | undefined;
  /** The content coding that the watcher asks for. */
  coding: ContentCoding | undefined;
  private told: number | undefined;
  lastBody: Body | undefined;
  rates: RateControl | undefined;
  private filters: readonly KeptFilter[] | undefined;
  lastStatus: WatcherStatus | 'init' = 'init';

  constructor(
    init: WatchInit,
    dialog: Dialog,
    eventHeader: string,
    expiresAt: number,
    target: UacTarget,
    destination?: Destination,
    firstCSeq?: number,
  ) {
    super(init);
    this.dialog = dialog;
    this.eventHeader = eventHeader;
    this.firstCSeq = firstCSeq ?? dialog.localCSeq;
    this.expiry = expiresAt - ORIGIN;
    this.target = target;
    this.destination = destination;
  }

  /** Follows a watcher whose connection or NAT binding is another since its last SUBSCRIBE. */
  retarget(request: SipRequest, flow: Flow): void {
    if (!flow.reliable && (!request.headers.has('Contact') || this.dialog.hasRoute)) return;
    const { target, destination } = notifyTarget(request, flow);
    this.target = target;
    this.destination = destination;
  }

  /** Milliseconds since the epoch. */
  get expiresAt(): number {
    return this.expiry + ORIGIN;
  }

  set expiresAt(at: number) {
    this.expiry = at - ORIGIN;
  }

  /** When the last NOTIFY was sent, in milliseconds since the epoch; 0 before the first. */
  get toldAt(): number {
    return this.told === undefined ? 0 : this.told + ORIGIN;
  }

  set toldAt(at: number) {
    this.told = at - ORIGIN;
  }

  /** All filters that its SUBSCRIBEs have set (RFC 4660). A list's are for its members. */
  get filterSet(): readonly KeptFilter[] | undefined {
    return this.filters;
  }

  set filterSet(filters: readonly KeptFilter[] | undefined) {
    if (filters === this.filters) return;
    this.filters = filters;
    const contents = filters && !this.eventPackage.require ? filterFor(filters, this.resource, this.resource) : undefined;
    this.filter = contents && new WatchFilter(contents);
  }

  get endsAt(): number {
    return this.expiresAt;
  }

  get overDatagrams(): boolean {
    return this.target.flow === undefined && !RELIABLE.test(this.dialog.remoteTarget);
  }

  /** NOTIFYs sent so far; numbers that a restart skipped count as sent. */
  get notified(): number {
    return this.dialog.localCSeq - this.firstCSeq;
  }

  /** Will the record soon no longer cover the CSeq numbers in use? */
  get outgrown(): boolean {
    return this.dialog.localCSeq > this.reservedCSeq - CSEQ_BLOCK / 2;
  }

  /** What to store now where nothing has changed that it does not say. */
  toRenewal(): RenewalRecord {
    this.reservedCSeq = this.dialog.localCSeq + CSEQ_BLOCK;
    return [this.revision, this.expiresAt, this.dialog.remoteCSeq, this.reservedCSeq, this.status, this.event];
  }

  /** The record to store now. */
  toRecord(): SubscriptionRecord {
    this.reservedCSeq = this.dialog.localCSeq + CSEQ_BLOCK;
    this.revision++;
    // What is undefined is left out by JSON.
    return {
      dialog: this.dialog.stateAt(this.reservedCSeq),
      package: this.eventPackage.key,
      event: this.eventHeader,
      resource: this.resource,
      watcher: this.watcher,
      aliases: this.aliases,
      displayName: this.displayName,
      source: this.source,
      contentType: this.contentType,
      since: this.since,
      expiresAt: this.expiresAt,
      status: this.status,
      lastEvent: this.event,
      firstCSeq: this.firstCSeq,
      ending: this.ending,
      retryAfter: this.retryAfter,
      undecidedSince: this.undecidedSince,
      terms: this.terms,
      condition: this.condition,
      answeredSilently: this.condition === undefined ? undefined : this.answeredSilently,
      filters: this.filters,
      rates: this.rates?.asked,
      coding: this.coding,
      destination: this.destination,
      provedName: this.target.provedName,
      revision: this.revision,
    };
  }

  static restore(id: string, record: SubscriptionRecord, eventPackage: WatchInit['eventPackage']): Subscription {
    const { resource, watcher, aliases, displayName, source, contentType, since, terms, destination, provedName } = record;
    const init = { id, eventPackage, resource, watcher, aliases, displayName, source, contentType, since, terms };
    const located = provedName === undefined ? LOCATED.target : { provedName };
    const target = destination ? { destinations: [destination] } : located;
    const dialog = Dialog.restore(record.dialog);
    const subscription = new Subscription(init, dialog, record.event, record.expiresAt, target, destination, record.firstCSeq);
    subscription.restored = true;
    subscription.revision = record.revision ?? 0;
    subscription.ending = record.ending;
    subscription.retryAfter = record.retryAfter;
    subscription.undecidedSince = record.undecidedSince;
    subscription.status = record.status;
    subscription.coding = record.coding;
    subscription.event = record.lastEvent;
    subscription.condition = record.condition;
    subscription.answeredSilently = record.answeredSilently === true;
    subscription.filterSet = record.filters;
    return subscription;
  }
}

/** The record as it is with what was stored of a refresh since; what is of another revision says nothing of this one. */
export function renewed(record: SubscriptionRecord, renewal: RenewalRecord | undefined): SubscriptionRecord {
  if (renewal?.[0] !== (record.revision ?? 0)) return record;
  const [, expiresAt, remoteCSeq, localCSeq, status, lastEvent] = renewal;
  return { ...record, expiresAt, status, lastEvent, dialog: numbered(record.dialog, localCSeq, remoteCSeq) };
}

/** What a SUBSCRIBE in the dialog may change of the record besides what a renewal says. */
export class KeptTerms {
  private readonly remoteTarget: string;
  private readonly eventHeader: string;
  private readonly terms: unknown;
  private readonly filterSet: readonly KeptFilter[] | undefined;
  private readonly coding: ContentCoding | undefined;
  private readonly provedName: string | undefined;
  /** There is what is seldom there, and not compared. */
  private readonly others: boolean;

  constructor(subscription: Subscription) {
    const { dialog, eventHeader, terms, filterSet, coding, target, aliases, condition, rates } = subscription;
    this.remoteTarget = dialog.remoteTarget;
    this.eventHeader = eventHeader;
    this.terms = terms;
    this.filterSet = filterSet;
    this.coding = coding;
    this.provedName = target.provedName;
    this.others = target.destinations !== undefined || (aliases ?? condition ?? rates) !== undefined;
  }

  /** Are they known to be the same? */
  equal(other: KeptTerms): boolean {
    return (
      !this.others &&
      !other.others &&
      this.remoteTarget === other.remoteTarget &&
      this.eventHeader === other.eventHeader &&
      this.terms === other.terms &&
      this.filterSet === other.filterSet &&
      this.coding === other.coding &&
      this.provedName === other.provedName
    );
  }
}

/** Whether it ends as its watcher cannot know, which has not asked for that and still has time. */
export function endsUnasked({ ending }: Subscription): boolean {
  return ending !== undefined && ending !== 'timeout';
}

/** One for all whose way is found anew for each NOTIFY. */
const LOCATED: { readonly target: UacTarget; readonly destination?: Destination } = { target: {} };

/**
 * Where NOTIFYs of a dialog go: over the watcher's own connection when it has one; over UDP to where the route set or Contact points
 * (RFC 3261 12.2.1.1), but back to the source address when Contact repeats a Via that a NAT has made unreachable (RFC 3581 4).
 */
export function notifyTarget(request: SipRequest, flow: Flow): { target: UacTarget; destination?: Destination } {
  const [provedName] = flow.peerDomains;
  if (flow.reliable) return { target: provedName === undefined ? { flow } : { flow, provedName } };
  const contact = request.headers.get('Contact');
  if (contact === undefined || !isTranslated(contact, request, flow)) return LOCATED;
  const destination = { protocol: flow.protocol, address: flow.remoteAddress, port: flow.remotePort };
  return { target: { destinations: [destination] }, destination };
}
