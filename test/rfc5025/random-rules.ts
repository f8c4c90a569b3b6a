/** Random sets of presence rules about given watchers and a given presence document. */
import { pick, type Random } from '../rfc4825/random-xml.ts';
import type { Grant, Handling, JudgedCondition, JudgedMember, JudgedRule, SetName } from './judged-rules.ts';
import type { MarkedComponent, MarkedPresence } from './marked-presence.ts';

export interface RuleSubject {
  /** Addresses that rules name. */
  readonly watchers: readonly string[];
  readonly domains: readonly string[];
  /** URIs of lists. */
  readonly lists: readonly string[];
  readonly presence: Pick<MarkedPresence, 'components' | 'unknown'>;
  readonly now: number;
  /** Milliseconds between the moments at which rules begin and cease to hold; an hour, unless told otherwise. */
  readonly step?: number;
  /** Many rules hold in some spheres or at some times alone. */
  readonly restless?: boolean;
}

const HANDLINGS: readonly (Handling | undefined)[] = ['allow', 'allow', 'allow', 'allow', 'polite-block', 'confirm', 'block', undefined];
const PERMISSIONS = [
  'provide-activities',
  'provide-class',
  'provide-deviceID',
  'provide-mood',
  'provide-place-is',
  'provide-place-type',
  'provide-privacy',
  'provide-relationship',
  'provide-sphere',
  'provide-status-icon',
  'provide-time-offset',
  'provide-note',
];
const HOUR = 3_600_000;

export function randomRules(random: Random, subject: RuleSubject, most = 5): JudgedRule[] {
  return Array.from({ length: random(most) }, (_, n) => ({
    id: `r${n}`,
    conditions: random(5) === 0 ? [] : Array.from({ length: 1 + random(2) }, () => condition(random, subject)),
    handling: pick(random, HANDLINGS),
    grants: Array.from({ length: random(9) }, () => grant(random, subject)),
  }));
}

function condition(random: Random, { watchers, domains, lists, now, step = HOUR, restless = false }: RuleSubject): JudgedCondition {
  const member = (): JudgedMember => {
    if (random(12) === 0) return 'foreign';
    if (random(2) === 0) return { one: pick(random, watchers) };
    const except = Array.from({ length: random(3) }, () =>
      random(2) === 0 ? { id: pick(random, watchers) } : { domain: pick(random, domains) },
    );
    return random(2) === 0 ? { except } : { domain: pick(random, domains), except: except.filter(({ id }) => id !== undefined) };
  };
  const moment = (): number => now + (random(5) - 2) * step;
  switch (random(restless && random(3) === 0 ? 2 : 12)) {
    case 0:
      return { sphere: pick(random, [['home'], ['Work'], ['home', 'scouts'], ['beach']]) };
    case 1:
      return { validity: Array.from({ length: 1 + random(3) }, () => [moment(), moment()] as const) };
    case 2:
      return 'other-identity';
    case 3:
      return 'anonymous-request';
    case 4:
      return lists.length > 0 ? { lists: [pick(random, lists), pick(random, lists)] } : 'other-identity';
    case 5:
      return random(3) === 0 ? 'foreign' : { identity: [] };
    default:
      return { identity: Array.from({ length: 1 + random(3) }, member) };
  }
}

function grant(random: Random, { presence }: RuleSubject): Grant {
  switch (random(14)) {
    case 0:
      return random(3) === 0 ? 'all-attributes' : { permission: 'provide-note', value: true };
    case 1:
      return { input: pick(random, ['false', 'bare', 'thresholds', 'full']) };
    case 2:
    case 3: {
      const [namespace, name] = presence.unknown.length > 0 ? pick(random, presence.unknown) : ['urn:none', 'n0'];
      return { unknown: random(5) === 0 ? 'urn:none' : namespace, name: random(5) === 0 ? 'other' : name, value: random(5) > 0 };
    }
    case 4:
    case 5:
    case 6:
    case 7:
      return set(random, pick(random, ['services', 'persons', 'devices']), presence.components);
    default:
      return { permission: pick(random, PERMISSIONS), value: random(5) > 0 };
  }
}

function set(random: Random, name: SetName, components: readonly MarkedComponent[]): Grant {
  if (random(3) === 0) return { set: name, members: 'all' };
  const known = { services: ['service-uri', 'service-uri-scheme'], persons: [], devices: ['deviceID'] }[name];
  const kinds: readonly string[] = ['class', 'occurrence-id', ...known];
  // Of other components too: a person's class is not a device's, nor is a tuple's id a person's.
  const selectors = components.flatMap((one) => one.selectors).filter(([kind]) => kinds.includes(kind));
  const members = Array.from({ length: random(4) }, (): readonly [string, string] => {
    const [kind, value] = selectors.length > 0 && random(5) > 0 ? pick(random, selectors) : (['class', 'nothing'] as const);
    return random(4) === 0 ? [kind, spelledOtherwise(value)] : [kind, value];
  });
  return { set: name, members };
}

/** Equivalent as the URI of a SIP service or a device, and another value as anything else. */
function spelledOtherwise(value: string): string {
  if (/^urn:uuid:/.test(value)) return value.toUpperCase().replace(/^URN:UUID/, 'urn:UUID');
  return /^sip:/.test(value) ? value.replace('host.example', 'HOST.Example') : `${value}x`;
}
