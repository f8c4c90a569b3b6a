/** Random filters (RFC 4661) of presence documents with the prefixes that test/helpers/filters.ts binds. */
import { pick, type Random } from '../rfc4825/random-xml.ts';

const NAMES = [
  ...['pidf:tuple', 'pidf:status', 'pidf:basic', 'pidf:contact', 'pidf:note', 'pidf:timestamp', 'dm:person', 'dm:device', 'dm:note'],
  ...['dm:deviceID', 'rpid:mood', 'rpid:activities', 'rpid:class', 'rpid:user-input', 'rpid:other', 'rpid:place-is', 'rpid:sphere'],
];
const NAMESPACES = [
  'urn:ietf:params:xml:ns:pidf',
  'urn:ietf:params:xml:ns:pidf:data-model',
  'urn:ietf:params:xml:ns:pidf:rpid',
  'urn:none',
];
const PATHS = [
  '/pidf:presence/pidf:tuple',
  '/pidf:presence/pidf:tuple/pidf:status/pidf:basic',
  '/pidf:presence/dm:person',
  '/pidf:presence/dm:person/rpid:mood',
  '/pidf:presence/dm:device/dm:deviceID',
  '//pidf:tuple[pidf:status/pidf:basic="open"]',
  '//pidf:tuple[pidf:status/pidf:basic="closed"]/pidf:contact',
  '//dm:person[rpid:class="home"]',
  '//rpid:user-input/@idle-threshold',
  '//@id',
  '/*',
];

/** A `<what>` element. */
export function randomWhat(random: Random): string {
  const choice = (name: 'include' | 'exclude'): string => {
    if (random(4) === 0) return `<${name} type="namespace">${pick(random, NAMESPACES)}</${name}>`;
    return `<${name}>${random(2) === 0 ? pick(random, PATHS) : `//${pick(random, NAMES)}`}</${name}>`;
  };
  const some = (name: 'include' | 'exclude', most: number): string => Array.from({ length: random(most + 1) }, () => choice(name)).join('');
  return `<what>${some('include', 3)}${some('exclude', 2)}</what>`;
}
