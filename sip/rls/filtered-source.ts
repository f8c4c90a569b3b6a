import { parseXml } from '../../schemas/xml/parse.ts';
import type { EventPackage, Watch } from '../events/event-package.ts';
import { memberFilter } from '../events/member-filter.ts';
import type { MemberState } from '../events/watch.ts';
import type { WatchFilter } from '../events/watch-filter.ts';
import type { MemberSource } from './list-subscription.ts';

/**
 * A member of another domain as the list's watcher wants to be told of it: by its own filter or the list's, which we apply to what comes.
 * Filters for domains are for the notifiers of those domains (RFC 4660 4.1).
 */
export class FilteredSource implements MemberSource {
  state: MemberState | undefined;
  private filter: WatchFilter | undefined;
  private readonly source: MemberSource;
  private readonly member: string;
  private readonly eventPackage: EventPackage;

  private constructor(source: MemberSource, watch: Watch, member: string, eventPackage: EventPackage) {
    this.source = source;
    this.member = member;
    this.eventPackage = eventPackage;
    this.filter = memberFilter(watch, member, 'elsewhere');
    this.take();
  }

  /** `open` begins to watch the member, by its canonical address, and calls what it is given after every change. */
  static open(
    watch: Watch,
    member: string,
    eventPackage: EventPackage,
    changed: () => void,
    open: (changed: () => void) => MemberSource | undefined,
  ): MemberSource | undefined {
    let filtered: FilteredSource | undefined;
    const source = open(() => {
      if (!filtered || filtered.take()) changed();
    });
    filtered = source && new FilteredSource(source, watch, member, eventPackage);
    return filtered;
  }

  ask(terms: unknown, watch: Watch): void {
    this.source.ask?.(terms, watch);
    const filter = memberFilter(watch, this.member, 'elsewhere');
    if (!filter && !this.filter) return;
    this.filter = filter;
    this.take();
  }

  close(): void {
    this.source.close();
  }

  /** Takes over what the source says; false where that is no news. */
  private take(): boolean {
    const { state } = this.source;
    const { filter, eventPackage } = this;
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
