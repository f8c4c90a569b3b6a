/** How often a watcher wants to be told, at most and at least (RFC 6446). */
import { splitOutsideQuotes } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';
import type { Timer } from '../transport/timer-wheel.ts';

/** NOTIFYs a second. Plain JSON, for it is kept with the subscription. */
export interface Rates {
  readonly max?: number;
  readonly min?: number;
  readonly adaptive?: number;
}

/** What the server lets be asked for. */
export interface RateBounds {
  /** Seconds until the subscription expires. */
  readonly remaining: number;
  /** Least milliseconds between two NOTIFYs of changes in this package, whatever is asked for; 0: no such bound. */
  readonly interval: number;
  /** Least milliseconds between NOTIFYs that no change has made. */
  readonly forcedInterval: number;
}

const NAMES = ['max-rate', 'min-rate', 'adaptive-min-rate'] as const;
/** RFC 6446 9.2. */
const RATE = /^\d{1,2}(?:\.\d{1,10})?$/;

/** The rates that an Event header field asks for; undefined without any. Throws SipError 400. */
export function readRates(header: string): Rates | undefined {
  if (!header.includes('-rate') && !/-rate/i.test(header)) return undefined;
  const asked = new Map<string, number>();
  for (const parameter of splitOutsideQuotes(header, ';').slice(1)) {
    const [name = '', written = ''] = parameter.split('=', 2).map((part) => part.trim());
    const key = NAMES.find((known) => known === name.toLowerCase());
    if (key === undefined) continue;
    const rate = Number(written);
    if (!RATE.test(written) || rate === 0) throw new SipError(400, `${key} is no rate of RFC 6446`);
    if (asked.has(key)) throw new SipError(400, `Event has ${key} twice`);
    asked.set(key, rate);
  }
  if (asked.size === 0) return undefined;
  const [max, min, adaptive] = NAMES.map((key) => asked.get(key));
  return { ...(max === undefined ? {} : { max }), ...(min === undefined ? {} : { min }), ...(adaptive === undefined ? {} : { adaptive }) };
}

/** What is agreed to of what was asked for (RFC 6446 5.3, 6.3, 7.3, 8). */
export function agreedRates({ max, min, adaptive }: Rates, { remaining, interval, forcedInterval }: RateBounds): Rates {
  const fastest = interval > 0 ? 1000 / interval : Number.POSITIVE_INFINITY;
  // RFC 6446 5.3: at least one before the end.
  const agreedMax = max === undefined ? undefined : Math.max(Math.min(max, fastest), 1 / Math.max(remaining, 1));
  const ceiling = Math.min(agreedMax ?? fastest, forcedInterval > 0 ? 1000 / forcedInterval : Number.POSITIVE_INFINITY);
  const agreedAdaptive = adaptive === undefined ? undefined : Math.min(adaptive, ceiling);
  const agreedMin = min === undefined ? undefined : Math.min(min, ceiling);
  // RFC 6446 8: a minimum that is not below the adaptive one is not considered.
  const idle = agreedMin !== undefined && agreedAdaptive !== undefined && agreedMin >= agreedAdaptive;
  return {
    ...(agreedMax === undefined ? {} : { max: agreedMax }),
    ...(agreedMin === undefined || idle ? {} : { min: agreedMin }),
    ...(agreedAdaptive === undefined ? {} : { adaptive: agreedAdaptive }),
  };
}

/** The rolling period of the adaptive rate, in intervals of that rate (RFC 6446 7.4: several of them). */
const PERIOD = 10;
/** NOTIFYs remembered of that period; more slow the rate down no further. */
const MOST_REMEMBERED = 100;

/** The rates of one subscription, as agreed, and what keeping them takes. */
export class RateControl {
  readonly asked: Rates;
  readonly agreed: Rates;
  /** For Subscription-State, with the semicolons in front. */
  readonly params: string;
  /** Least milliseconds between two NOTIFYs of changes; 0: none. */
  readonly interval: number;
  /** Fires when a NOTIFY is due without a change. */
  timer: Timer | undefined;
  /** When NOTIFYs of the adaptive rate's period were sent, in milliseconds. */
  private readonly sent: number[] = [];

  /** `before`: the rates until now, whose history goes on. */
  constructor(asked: Rates, bounds: RateBounds, now: number, before?: RateControl) {
    this.asked = asked;
    this.agreed = agreedRates(asked, bounds);
    const { max, min, adaptive } = this.agreed;
    this.interval = max === undefined ? bounds.interval : Math.max(1000 / max, bounds.interval);
    this.params = [param('max-rate', max), param('min-rate', min), param('adaptive-min-rate', adaptive)].join('');
    // RFC 6446 7.2: a history of as many as the rate wants.
    if (before && before.agreed.adaptive === adaptive) this.sent.push(...before.sent);
    else if (adaptive !== undefined) for (let i = PERIOD; i > 0; i--) this.sent.push(now - ((i - 0.5) * 1000) / adaptive);
  }

  /** A NOTIFY goes out. */
  noteSent(now: number): void {
    if (this.agreed.adaptive === undefined) return;
    this.sent.push(now);
    if (this.sent.length > MOST_REMEMBERED) this.sent.shift();
  }

  /** Milliseconds after a NOTIFY at which the next one is due without a change; undefined: never. */
  dueAfter(now: number): number | undefined {
    const { min, adaptive } = this.agreed;
    const adapted = adaptive === undefined ? undefined : this.adaptedTimeout(adaptive, now);
    if (min === undefined) return adapted;
    return Math.max(this.interval, Math.min(1000 / min, adapted ?? Number.POSITIVE_INFINITY));
  }

  /** RFC 6446 7.4, equations 1 and 2. */
  private adaptedTimeout(adaptive: number, now: number): number {
    const period = (PERIOD * 1000) / adaptive;
    while (this.sent.length > 0 && (this.sent[0] ?? 0) <= now - period) this.sent.shift();
    return Math.max(this.interval, (this.sent.length * 1000) / (adaptive * PERIOD));
  }
}

/** RFC 6446 9.2: two digits, and ten behind the point. */
function param(name: string, rate: number | undefined): string {
  if (rate === undefined) return '';
  return `;${name}=${Math.min(rate, 99.9999999999)
    .toFixed(10)
    .replace(/\.?0+$/, '')}`;
}
