import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the process as such does; one for all servers in it, since its observers live as long as it. */
let processRegistry: Registry | undefined;

/** The figures of one server, for Prometheus. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly requests = new Counter({
    name: 'rollcall_http_requests_total',
    help: 'HTTP requests answered, by method and status.',
    labelNames: ['method', 'status'],
    registers: [this.registry],
  });
  private readonly durations = new Histogram({
    name: 'rollcall_http_request_duration_seconds',
    help: 'Time from the head of an HTTP request to the end of its answer.',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5],
    registers: [this.registry],
  });
  private readonly changes = new Counter({
    name: 'rollcall_document_changes_total',
    help: 'Committed changes of documents.',
    registers: [this.registry],
  });

  /** Those of the requests with their labels, by method and status, so that none is looked up by name. */
  private readonly counters = new Map<string, Map<number, Counter.Internal>>();

  /** @param version of the server, given as a label of `rollcall_info` */
  constructor(version: string) {
    const info = new Gauge({ name: 'rollcall_info', help: 'The version that runs.', labelNames: ['version'], registers: [this.registry] });
    info.set({ version }, 1);
  }

  /** @param counts of the SIP side, by name; asked whenever somebody looks */
  watchSip(counts: () => Readonly<Record<string, number>>): void {
    new Gauge({
      name: 'rollcall_sip_held',
      help: 'Transactions, connections, calls, bindings, messages and timers that the SIP side holds now, by kind.',
      labelNames: ['kind'],
      registers: [this.registry],
      collect() {
        for (const [kind, count] of Object.entries(counts())) this.set({ kind }, count);
      },
    });
  }

  /** @param milliseconds the request took */
  countRequest(method: string, status: number, milliseconds: number): void {
    const known = METHODS.has(method) ? method : 'other';
    let byStatus = this.counters.get(known);
    if (!byStatus) this.counters.set(known, (byStatus = new Map()));
    let counter = byStatus.get(status);
    if (!counter) byStatus.set(status, (counter = this.requests.labels({ method: known, status })));
    counter.inc();
    this.durations.observe(milliseconds / 1000);
  }

  countChange(): void {
    this.changes.inc();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** The figures in Prometheus' text format. */
  async text(): Promise<string> {
    if (!processRegistry) {
      processRegistry = new Registry();
      collectDefaultMetrics({ register: processRegistry });
    }
    return `${await this.registry.metrics()}${await processRegistry.metrics()}`;
  }
}

/** Labels must not be the client's to invent. */
const METHODS = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'POST', 'OPTIONS', 'PATCH']);
