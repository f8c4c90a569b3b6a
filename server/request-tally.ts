/** Labels must not be the client's to invent. */
const METHODS = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'POST', 'OPTIONS', 'PATCH']);
/** Upper bounds of the durations that are counted together, in seconds. */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5] as const;

const COUNTER = 'rollcall_http_requests_total';
const HISTOGRAM = 'rollcall_http_request_duration_seconds';

/** The HTTP requests that were answered. It is asked with every one of them, so that it counts by itself and is put into words when somebody looks. */
export class RequestTally {
  /** By method, then by status. */
  private readonly counts = new Map<string, Map<number, number>>();
  /** One per bound, and one for what takes longer. */
  private readonly durations = new Array<number>(BOUNDS.length + 1).fill(0);
  private seconds = 0;

  /** @param milliseconds from the head of the request to the end of its answer */
  count(method: string, status: number, milliseconds: number): void {
    const known = METHODS.has(method) ? method : 'other';
    let byStatus = this.counts.get(known);
    if (!byStatus) this.counts.set(known, (byStatus = new Map()));
    byStatus.set(status, (byStatus.get(status) ?? 0) + 1);

    const duration = milliseconds / 1000;
    this.seconds += duration;
    let bucket = 0;
    for (const bound of BOUNDS) {
      if (duration <= bound) break;
      bucket++;
    }
    this.durations[bucket] = (this.durations[bucket] ?? 0) + 1;
  }

  /** A counter and a histogram in Prometheus' text format. */
  text(): string {
    const lines = [`# HELP ${COUNTER} HTTP requests answered, by method and status.`, `# TYPE ${COUNTER} counter`];
    for (const [method, byStatus] of this.counts) {
      for (const [status, count] of byStatus) lines.push(`${COUNTER}{method="${method}",status="${status}"} ${count}`);
    }
    lines.push(`# HELP ${HISTOGRAM} Time from the head of an HTTP request to the end of its answer.`, `# TYPE ${HISTOGRAM} histogram`);
    let total = 0;
    for (const [bucket, count] of this.durations.entries()) {
      total += count;
      lines.push(`${HISTOGRAM}_bucket{le="${BOUNDS[bucket] ?? '+Inf'}"} ${total}`);
    }
    lines.push(`${HISTOGRAM}_sum ${this.seconds}`, `${HISTOGRAM}_count ${total}`);
    return `${lines.join('\n')}\n`;
  }
}
