import type { NaptrRecord, SrvRecord } from 'node:dns';
import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { readHostsFile } from './hosts-file.ts';

export interface NameServiceOptions {
  /** `IP` or `IP:port` (an IPv6 address with a port in brackets). The system's, if there are none. */
  readonly servers?: readonly string[] | undefined;
  /** Time for one try of a query, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  readonly tries?: number | undefined;
  /** Least time that an answer with addresses is kept, in seconds: with a TTL of zero each request would wait. Default 5. */
  readonly shortestTtl?: number | undefined;
  /** Answers kept at once. */
  readonly maxEntries?: number | undefined;
  /** Queries under way at once; one more is answered as if nothing were there. */
  readonly maxPending?: number | undefined;
}

/** What a name may be asked for, and what comes back. */
interface Answers {
  readonly NAPTR: readonly NaptrRecord[];
  readonly SRV: readonly SrvRecord[];
  readonly A: readonly string[];
  readonly AAAA: readonly string[];
}
export type RecordType = keyof Answers;

interface Found {
  readonly records: readonly unknown[];
  readonly ttl: number;
}

interface Entry {
  readonly records: readonly unknown[];
  readonly until: number;
}

const SHORTEST_TTL = 5;
/** In seconds: a TTL of a week must not outlive a move. */
const LONGEST_TTL = 3600;
/** For NAPTR, SRV and the system's own names, whose TTL the runtime does not tell. */
const UNTOLD_TTL = 60;
/** That there is no such record (RFC 2308), and that nobody could say so. */
const ABSENT_TTL = 30;
const FAILED_TTL = 5;
/** Records of one answer that count. */
const MAX_RECORDS = 16;
const ABSENT = new Set(['ENOTFOUND', 'ENODATA']);

/** Asks the DNS, and keeps what it said for as long as that holds. Never rejects: what cannot be found has no records. */
export class NameService {
  private readonly resolver: Resolver;
  private readonly shortestTtl: number;
  private readonly maxEntries: number;
  private readonly maxPending: number;
  /** Are names of this machine's own configuration known too? */
  private readonly system: boolean;
  /** In the order in which they were stored. */
  private readonly cache = new Map<string, Entry>();
  private readonly pending = new Map<string, Promise<readonly unknown[]>>();

  constructor(options: NameServiceOptions = {}) {
    this.resolver = new Resolver({ timeout: options.timeoutMs ?? 2000, tries: options.tries ?? 2 });
    this.system = options.servers === undefined || options.servers.length === 0;
    if (options.servers !== undefined && !this.system) this.resolver.setServers(options.servers);
    this.shortestTtl = options.shortestTtl ?? SHORTEST_TTL;
    this.maxEntries = options.maxEntries ?? 10_000;
    this.maxPending = options.maxPending ?? 500;
  }

  /** The records of a name; empty when there are none or nobody answers. Those of an address type in the server's order. */
  query<T extends RecordType>(type: T, name: string): Promise<Answers[T]> {
    const key = `${type} ${name}`;
    const known = this.cache.get(key);
    if (known !== undefined && known.until > performance.now()) return Promise.resolve(known.records as Answers[T]);
    let asked = this.pending.get(key);
    if (asked === undefined) {
      if (this.pending.size >= this.maxPending) return Promise.resolve([]);
      asked = this.ask(type, name)
        .then(({ records, ttl }) => this.store(key, records.slice(0, MAX_RECORDS), ttl))
        .finally(() => this.pending.delete(key));
      this.pending.set(key, asked);
    }
    return asked as Promise<Answers[T]>;
  }

  /** Ends queries under way. */
  close(): void {
    this.resolver.cancel();
  }

  private store(key: string, records: readonly unknown[], ttl: number): readonly unknown[] {
    this.cache.delete(key);
    for (const oldest of this.cache.keys()) {
      if (this.cache.size < this.maxEntries) break;
      this.cache.delete(oldest);
    }
    this.cache.set(key, { records, until: performance.now() + ttl * 1000 });
    return records;
  }

  private async ask(type: RecordType, name: string): Promise<Found> {
    const isAddress = type === 'A' || type === 'AAAA';
    const own = isAddress && this.system ? await readHostsFile(name, type === 'A' ? 4 : 6) : [];
    if (own.length > 0) return { records: own, ttl: UNTOLD_TTL };
    let failure = ABSENT_TTL;
    try {
      const found = await this.askServer(type, name);
      if (found.records.length > 0) return found;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (!ABSENT.has(code)) failure = FAILED_TTL;
    }
    // Short names are completed by what the system is configured for.
    if (isAddress && this.system && !name.includes('.')) return this.askSystem(name, type === 'A' ? 4 : 6);
    return { records: [], ttl: failure };
  }

  private async askServer(type: RecordType, name: string): Promise<Found> {
    if (type === 'NAPTR') return { records: await this.resolver.resolveNaptr(name), ttl: UNTOLD_TTL };
    if (type === 'SRV') return { records: await this.resolver.resolveSrv(name), ttl: UNTOLD_TTL };
    const found = await (type === 'A' ? this.resolver.resolve4(name, { ttl: true }) : this.resolver.resolve6(name, { ttl: true }));
    const shortest = Math.min(LONGEST_TTL, ...found.map(({ ttl }) => ttl));
    return { records: found.map(({ address }) => address), ttl: Math.max(this.shortestTtl, shortest) };
  }

  private async askSystem(name: string, family: 4 | 6): Promise<Found> {
    try {
      const found = await lookup(name, { all: true, family });
      return { records: found.map(({ address }) => address).filter((address) => isIP(address) === family), ttl: UNTOLD_TTL };
    } catch {
      return { records: [], ttl: FAILED_TTL };
    }
  }
}
