/** One subscription to a list: the tree of lists that it is told, who is watched for it, and what of them is news (RFC 4662 4). */
import { turn } from '../../schemas/turns.ts';
import type { Body, Watch } from '../events/event-package.ts';
import type { MemberState } from '../events/watch.ts';
import { instanceId, type MemberReport, type PartNaming, writeListBody } from './list-body.ts';
import { type ListMember, type MemberList, watchedMembers } from './resolved-list.ts';

/** Somebody watched for a list's subscription. */
export interface MemberSource {
  readonly state: MemberState | undefined;
  /** Is it told as the filter says that its notifier has been given? */
  readonly filtered?: boolean;
  /** The list's watcher has asked anew: the terms as the package of the members has read them, and the watch with its filters. */
  ask?(terms: unknown, watch: Watch): void;
  close(): void;
}

/** What each state costs in a body beside its document, in bytes. */
const PART_OVERHEAD = 250;
/** What it takes to name a member, beside its URI and its names; and what each name takes, beside its text. */
const ROW_OVERHEAD = 22;
const NAME_OVERHEAD = 40;
/** RFC 4662 7.4. */
const REFUSED: MemberState = { status: 'terminated', reason: 'rejected', body: undefined };

/** One list of the tree: the outermost, or one that is a member of another. */
interface Place {
  readonly list: MemberList;
  /** The list that this one is in, and as whose member. */
  readonly above: { readonly place: Place; readonly canonical: string } | undefined;
  /** Of the lists in it, by their canonical URIs. */
  readonly inner: ReadonlyMap<string, Place>;
  /** Before the names of its parts. */
  readonly path: string;
  /** Of the next notification of a list within another. */
  version: number;
  /** Must be told whole. */
  full: boolean;
  /** Canonical addresses of the members with something new to tell. */
  readonly changed: Set<string>;
  /** Of those among them whom the watcher does not know by all their names, or not at all. */
  readonly unnamed: Set<string>;
}

/** How large a body may be. */
export interface BodyRoom {
  /** Of what is told of the members. */
  readonly bytes: number;
  /** It must not be larger, also where it tells full state: what finds no room is not even named, and comes in the notifications after it. */
  readonly bounded: boolean;
}

/** What still fits into the body. */
interface Room {
  bytes: number;
  parts: number;
  readonly bounded: boolean;
}

export interface ListSubscriptionOptions {
  readonly naming: PartNaming;
  /**
   * Begins to watch a member; undefined where nothing can be known of it. `changed` is called with its address after every change of its state.
   * @param later its state need not be known at once
   */
  open(member: ListMember, changed: (canonical: string) => void, later: boolean): MemberSource | undefined;
  /** There is something to tell. */
  touch(): void;
  /** There is more to tell than the body that is being made has room for. */
  goOn(): void;
}

/** Milliseconds after which others have their turn while members are opened: what each of them has published may be much. */
const SLICE_TIME = 10;

export class ListSubscription {
  private readonly options: ListSubscriptionOptions;
  /** As it was when the members were last brought in line with it. */
  private list: MemberList | undefined;
  private root: Place | undefined;
  private readonly sources = new Map<string, MemberSource>();
  /** Where in the tree each of the watched stands. */
  private places = new Map<string, Place[]>();
  /** While members are opened what becomes of them is about to be told anyway. */
  private following = false;
  private isClosed = false;
  /** Where versions of lists in this one begin: after a restart beyond all that were told before. */
  private firstVersion: number | undefined;

  constructor(options: ListSubscriptionOptions) {
    this.options = options;
  }

  /** Who is watched. */
  members(): IterableIterator<MemberSource> {
    return this.sources.values();
  }

  /** Begins to watch the members, with turns for others in between, so that the first notification has the states of all. */
  async begin(list: MemberList): Promise<void> {
    let until = performance.now() + SLICE_TIME;
    for (const [canonical, member] of watchedMembers(list)) {
      if (performance.now() > until) {
        await turn();
        until = performance.now() + SLICE_TIME;
      }
      // It may have ended while its list was read, or just now.
      if (this.isClosed) return;
      if (!this.sources.has(canonical)) this.open(canonical, member, false);
    }
  }

  close(): void {
    this.isClosed = true;
    for (const source of this.sources.values()) source.close();
    this.sources.clear();
  }

  /**
   * The next body: the whole list if it is another than before or if asked for, else the members with something new.
   * @param room what finds none is told next time
   * @returns undefined when there is nothing to tell
   */
  render(list: MemberList, version: number, full: boolean, room: BodyRoom): Body | undefined {
    this.firstVersion ??= version;
    const place = this.follow(list);
    const left: Room = { ...room, parts: 0 };
    place.version = version;
    const body = this.tell(place, full, left);
    if (place.changed.size > 0) this.options.goOn();
    return body;
  }

  /** Watches who has come, and no longer who has gone. */
  private follow(list: MemberList): Place {
    if (this.root && this.list === list) return this.root;
    this.list = list;
    this.places = new Map();
    const root = this.lay(list, undefined, '', this.root);
    this.root = root;
    const wanted = watchedMembers(list);
    for (const [canonical, source] of this.sources) {
      if (wanted.has(canonical)) continue;
      this.sources.delete(canonical);
      source.close();
    }
    const until = performance.now() + SLICE_TIME;
    for (const [canonical, member] of wanted) {
      if (!this.sources.has(canonical)) this.open(canonical, member, performance.now() > until);
    }
    return root;
  }

  private open(canonical: string, member: ListMember, later: boolean): void {
    this.following = true;
    const source = this.options.open(member, this.noteChange, later);
    if (source) this.sources.set(canonical, source);
    this.following = false;
  }

  private lay(list: MemberList, above: Place['above'], path: string, before: Place | undefined): Place {
    const inner = new Map<string, Place>();
    const place: Place = {
      list,
      above,
      inner,
      path,
      version: before?.version ?? this.firstVersion ?? 0,
      full: true,
      changed: new Set(),
      unnamed: new Set(),
    };
    for (const { canonical, list: nested } of list.members) {
      if (nested === undefined || nested === 'refused') continue;
      const below = this.lay(nested, { place, canonical }, `${path}${instanceId(canonical)}.`, before?.inner.get(canonical));
      inner.set(canonical, below);
    }
    if (inner.size > 0 || above) this.note(place);
    return place;
  }

  /** Only a tree needs to know who stands where: in a flat list there is one place for all. */
  private note(place: Place): void {
    for (const { canonical, list } of place.list.members) {
      if (list !== undefined) continue;
      const places = this.places.get(canonical);
      if (places) places.push(place);
      else this.places.set(canonical, [place]);
    }
  }

  private readonly noteChange = (canonical: string): void => {
    const { root } = this;
    if (root?.inner.size === 0) root.changed.add(canonical);
    else for (const place of this.places.get(canonical) ?? []) markChanged(place, canonical);
    if (!this.following) this.options.touch();
  };

  private tell(place: Place, full: boolean, room: Room): Body | undefined {
    const fullState = full || place.full;
    const reports = fullState ? this.tellAll(place, room) : this.tellChanged(place, room);
    place.full = false;
    if (reports.length === 0 && !fullState) return undefined;
    const { naming } = this.options;
    const { list, path } = place;
    return writeListBody({ list, version: place.version++, fullState, reports, naming, path });
  }

  /** Full state names every member, whatever else finds room (RFC 4662 4.5: one may be named without state); without their names if need be. */
  private tellAll(place: Place, room: Room): MemberReport[] {
    const { members } = place.list;
    place.changed.clear();
    place.unnamed.clear();
    const bare = room.bounded && members.reduce((sum, member) => sum + rowSize(member), 0) > room.bytes;
    if (bare) for (const below of place.inner.values()) below.full = true;
    const sizeOf = bare ? bareSize : rowSize;
    // The names come first: states take what these leave.
    let named = 0;
    for (const member of members) {
      const size = sizeOf(member);
      if (room.bounded && room.bytes < size && named > 0) break;
      room.bytes -= size;
      named++;
    }
    const reports: MemberReport[] = [];
    for (const [i, member] of members.entries()) {
      const state = bare ? 'no room' : this.stateOf(member, place, true, room, 0);
      if (state === 'no room') {
        if (i < named) reports.push({ member: bare ? { ...member, names: [] } : member, state: undefined });
        place.changed.add(member.canonical);
        if (bare) place.unnamed.add(member.canonical);
        continue;
      }
      this.noteRest(place, member);
      reports.push({ member, state });
      if (state) room.parts++;
    }
    return reports;
  }

  private tellChanged(place: Place, room: Room): MemberReport[] {
    const reports: MemberReport[] = [];
    for (const member of changedMembers(place)) {
      const { canonical } = member;
      const isUnnamed = place.unnamed.has(canonical);
      const state = this.stateOf(member, place, false, room, rowSize(member));
      if (state === 'no room' || (!state && isUnnamed && !takesRow(member, room))) continue;
      place.changed.delete(canonical);
      place.unnamed.delete(canonical);
      this.noteRest(place, member);
      if (state || isUnnamed) reports.push({ member, state });
      if (state || isUnnamed) room.parts++;
    }
    return reports;
  }

  /** Of a list in this one, some members may have found no room. */
  private noteRest(place: Place, { canonical }: ListMember): void {
    if (place.inner.get(canonical)?.changed.size) place.changed.add(canonical);
  }

  /** @param row bytes that it takes to name the member, where that is not counted yet */
  private stateOf(member: ListMember, place: Place, fullState: boolean, room: Room, row: number): MemberState | undefined | 'no room' {
    if (member.list === 'refused') return REFUSED;
    const below = place.inner.get(member.canonical);
    const state = below ? undefined : this.sources.get(member.canonical)?.state;
    if (!below && !state) return undefined;
    const size = PART_OVERHEAD + row + (state?.body?.bytes.length ?? 0);
    if (room.bytes < size && room.parts > 0) {
      if (below && fullState) below.full = true;
      return 'no room';
    }
    room.bytes -= size;
    if (!below) return state;
    const body = this.tell(below, fullState, room);
    return body && { status: 'active', reason: undefined, body };
  }
}

function takesRow(member: ListMember, room: Room): boolean {
  const size = rowSize(member);
  if (room.bytes < size && room.parts > 0) return false;
  room.bytes -= size;
  return true;
}

/** Bytes that it takes to name a member. */
function rowSize(member: ListMember): number {
  return member.names.reduce((sum, { text }) => sum + NAME_OVERHEAD + Buffer.byteLength(text), bareSize(member));
}

function bareSize({ uri }: ListMember): number {
  return ROW_OVERHEAD + uri.length;
}

/** The member has something new to tell, and so has every list that its list is in. */
function markChanged(place: Place, canonical: string): void {
  place.changed.add(canonical);
  if (place.above) markChanged(place.above.place, place.above.canonical);
}

function changedMembers({ list, changed }: Place): ListMember[] {
  const members = membersOf(list);
  return [...changed].flatMap((canonical) => members.get(canonical) ?? []);
}

const byAddress = new WeakMap<MemberList, Map<string, ListMember>>();

function membersOf(list: MemberList): Map<string, ListMember> {
  let members = byAddress.get(list);
  if (!members) byAddress.set(list, (members = new Map(list.members.map((member) => [member.canonical, member]))));
  return members;
}
