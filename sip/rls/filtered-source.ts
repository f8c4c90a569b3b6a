import { parseXml } from '../../schemas/xml/parse.ts';
import type { EventPackage, Watch } from '../events/event-package.ts';
import { forwardedFilter, memberFilter } from '../events/member-filter.ts';
import type { MemberState } from '../events/watch.ts';
import type { WatchFilter } from '../events/watch-filter.ts';
import type { MemberSource } from './list-subscription.ts';

/** Begins to watch a member, whose notifier is given the filter's document, and calls what it is given after every change. */
type Open = (filter: string | undefined, changed: () => void) => MemberSource | undefined;

/**
 * A member of another domain as the list's watcher wants to be told of it (RFC 4660 4.1): its own filter and its domain's go on to its
 * notifier; the list's, and its own where its notifier takes none, we apply to what comes.
 */
export class FilteredSource implements MemberSource {
  state: MemberState | undefined;
  private filter: WatchFilter | undefined;
  /** What the notifier was given. */
  private forwarded: string | undefined;
  private source: MemberSource;
  private readonly member: string;
  private readonly eventPackage: EventPackage;
  private readonly changed: () => void;
  private readonly open: Open;

  private constructor(watch: Watch, member: string, eventPackage: EventPackage, changed: () => void, open: Open, source: MemberSource) {
    this.member = member;
    this.eventPackage = eventPackage;
    this.changed = changed;
    this.open = open;
    this.source = source;
    this.filter = memberFilter(watch, member, 'elsewhere');
    this.forwarded = forwardedFilter(watch, member, eventPackage);
    this.take();
  }

  /** `member` is its canonical address; `changed` is called after every change. */
  static open(watch: Watch, member: string, eventPackage: EventPackage, changed: () => void, open: Open): MemberSource | undefined {
    let filtered: FilteredSource | undefined;
    const source = open(forwardedFilter(watch, member, eventPackage), () => {
      if (!filtered || filtered.take()) changed();
    });
    filtered = source && new FilteredSource(watch, member, eventPackage, changed, open, source);
    return filtered;
  }

  ask(terms: unknown, watch: Watch): void {
    this.source.ask?.(terms, watch);
    const filter = memberFilter(watch, this.member, 'elsewhere');
    const forwarded = forwardedFilter(watch, this.member, this.eventPackage);
    const isOther = forwarded !== this.forwarded;
    if (!filter && !this.filter && !isOther) return;
    this.filter = filter;
    if (isOther) this.replace(forwarded);
    this.take();
  }

  close(): void {
    this.source.close();
  }

  /** Filters are not changed in a subscription that others may share: another one takes its place. */
  private replace(forwarded: string | undefined): void {
    const before = this.source;
    const source = this.open(forwarded, () => {
      if (this.source !== before && this.take()) this.changed();
    });
    if (!source) return;
    this.forwarded = forwarded;
    this.source = source;
    before.close();
  }

  /** Takes over what the source says; false where that is no news. */
  private take(): boolean {
    const { state, filtered } = this.source;
    const { eventPackage } = this;
    // Until more is known, what was told stays.
    if (!state && this.state) return false;
    const filter = filtered ? undefined : this.filter;
    if (!filter || !state?.body) {
      this.state = state;
      return true;
    }
    // What others send is not known to be XML, and what is none says nothing that could be told in part.
    if (!isXml(state.body.bytes)) return false;
    const body = filter.applyToMember(state.body, eventPackage.filtering?.volatile);
    const before = this.state;
    const goesOn = before?.status === state.status && before.body !== undefined;
    if (goesOn && !(filter.triggered ?? !before.body?.bytes.equals(body.bytes))) return false;
    filter.noteTold();
    this.state = { ...state, body };
    return true;
  }
}

function isXml(bytes: Buffer): boolean {
  try {
    parseXml(bytes.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}
