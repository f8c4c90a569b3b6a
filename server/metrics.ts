import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { RequestTally } from './request-tally.ts';

/** What the process as such does; one for all servers in it, since its observers live as long as it. */
let processRegistry: Registry | undefined;

/** The figures of one server, for Prometheus. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly requests = new RequestTally();
  private readonly changes = new Counter({
    name: 'rollcall_document_changes_total',
    help: 'Committed changes of documents.',
    registers: [this.registry],
  });

  /** @param version of the server, given as a label of `rollcall_info` */
  constructor(version: string) {
    const info = new Gauge({ name: 'rollcall_info', help: 'The version that runs.', labelNames: ['version'], registers: [this.registry] });
    info.set({ version }, 1);
  }

  /** @param counts of the SIP side, by name; asked whenever somebody looks */
  watchSip(counts: () => Readonly<Record<string, number>>): void {
    new Gauge({
      name: 'rollcall_sip_held',
      help: 'Transactions, connections, subscriptions, publications, calls, bindings, messages and timers that the SIP side holds now, by kind.',
      labelNames: ['kind'],
      registers: [this.registry],
      collect() {
        for (const [kind, count] of Object.entries(counts())) this.set({ kind }, count);
      },
    });
  }

  /** @param milliseconds the request took */
  countRequest(method: string, status: number, milliseconds: number): void {
    this.requests.count(method, status, milliseconds);
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
    return `${this.requests.text()}${await this.registry.metrics()}${await processRegistry.metrics()}`;
  }
}
