/**
 * Random presence documents in which every element, attribute, comment and namespace that means anything carries a mark of its own, and is
 * noted with what has to be granted for it to be seen (RFC 5025 3.3).
 */
import { pick, type Random } from '../rfc4825/random-xml.ts';
import { type Grant, isGranted, type SetName } from './judged-rules.ts';

/** What gives access to a component (RFC 5025 3.3.1), each value as it stands in the document. */
export interface MarkedComponent {
  readonly set: SetName;
  readonly selectors: readonly (readonly [kind: string, value: string])[];
}

export type Reveals = (grants: readonly Grant[]) => boolean;

export interface MarkedPresence {
  readonly text: string;
  /** By the mark. */
  readonly marks: ReadonlyMap<string, Reveals>;
  readonly components: readonly MarkedComponent[];
  readonly sphere: string | undefined;
  /** Names of attributes that no permission of RFC 5025 is for, each in a namespace of its own. */
  readonly unknown: readonly (readonly [namespace: string, name: string])[];
}

/** A mark as it is found in texts. */
export const MARK = /Q\d+Z/g;

const CLASSES = ['home', 'work', 'Work', 'secret', 'home office'];
const SPHERES = ['home', 'work', 'scouts', undefined, undefined];

/** One permission and the elements that it reveals, by the kind of component that they stand in. */
const ATTRIBUTES: Readonly<Record<SetName, readonly (readonly [permission: string, element: string])[]>> = {
  services: [
    ['provide-class', 'rpid:class'],
    ['provide-deviceID', 'dm:deviceID'],
    ['provide-privacy', 'rpid:privacy'],
    ['provide-relationship', 'rpid:relationship'],
    ['provide-status-icon', 'rpid:status-icon'],
    ['provide-note', 'note'],
    ['always', 'rpid:service-class'],
    ['always', 'contact'],
    ['always', 'timestamp'],
  ],
  persons: [
    ['provide-activities', 'rpid:activities'],
    ['provide-class', 'rpid:class'],
    ['provide-mood', 'rpid:mood'],
    ['provide-place-is', 'rpid:place-is'],
    ['provide-place-type', 'rpid:place-type'],
    ['provide-privacy', 'rpid:privacy'],
    ['provide-sphere', 'rpid:sphere'],
    ['provide-status-icon', 'rpid:status-icon'],
    ['provide-time-offset', 'rpid:time-offset'],
    ['provide-note', 'dm:note'],
    ['always', 'dm:timestamp'],
    ['never', 'rpid:service-class'],
    ['never', 'contact'],
  ],
  devices: [
    ['provide-class', 'rpid:class'],
    ['provide-note', 'dm:note'],
    ['always', 'dm:deviceID'],
    ['always', 'dm:timestamp'],
    ['never', 'status'],
  ],
};

/** Elements whose inside is a value or further elements, all revealed with them. */
const NESTED = new Set(['rpid:activities', 'rpid:mood', 'rpid:place-is', 'rpid:privacy', 'rpid:relationship', 'rpid:service-class']);
/** Of these only the text and their own attributes are reported. */
const PLAIN = new Set(['contact', 'timestamp', 'dm:timestamp']);

export interface MarkedOptions {
  /** Makes ids unlike those of other documents. */
  readonly prefix?: string;
  /** Services and devices are also such as other documents have, to be composed with theirs. */
  readonly overlapping?: boolean;
}

export function markedPresence(random: Random, entity: string, options: MarkedOptions = {}): MarkedPresence {
  return new Marker(random, options).presence(entity);
}

/** Whether the component is to be seen at all (RFC 5025 3.3.1). */
export function seenBy({ set, selectors }: MarkedComponent): Reveals {
  return (grants) =>
    grants.some(
      (g) =>
        typeof g === 'object' &&
        'set' in g &&
        g.set === set &&
        (g.members === 'all' || g.members.some(([kind, value]) => selectors.some(([k, v]) => k === kind && sameValue(kind, v, value)))),
    );
}

class Marker {
  private readonly random: Random;
  private readonly prefix: string;
  private readonly overlapping: boolean;
  private readonly marks = new Map<string, Reveals>();
  private readonly components: MarkedComponent[] = [];
  private readonly unknown: [string, string][] = [];
  private rootDeclarations = '';
  private readonly sphere: string | undefined;
  private count: number;

  constructor(random: Random, { prefix = '', overlapping = false }: MarkedOptions) {
    this.random = random;
    this.prefix = prefix;
    this.overlapping = overlapping;
    this.count = random(1_000_000) * 1000;
    this.sphere = pick(random, SPHERES);
  }

  presence(entity: string): MarkedPresence {
    const parts: string[] = [];
    for (const set of ['services', 'persons', 'devices'] as const) {
      for (let n = this.random(4); n > 0; n--) parts.push(this.component(set, parts.length));
    }
    if (this.random(2) === 0) parts.push(`<note>${this.mark((grants) => isGranted(grants, 'provide-note'))}</note>`);
    if (this.random(3) === 0) {
      const everything: Reveals = (grants) => grants.includes('all-attributes');
      const [uri, attribute, text] = [this.mark(everything), this.mark(everything), this.mark(everything)];
      parts.push(`<root:e xmlns:root="urn:${uri}" a="${attribute}">${text}</root:e>`);
    }
    // Between the components nothing is a component's.
    if (this.random(3) === 0) parts.push(`<!-- ${this.mark(() => false)} --><?pi ${this.mark(() => false)}?>`);
    const text = `<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"${this.rootDeclarations} entity="${entity}">${parts.join('\n')}</presence>`;
    return {
      text,
      marks: this.marks,
      components: this.components,
      sphere: this.hasSphere ? this.sphere : undefined,
      unknown: this.unknown,
    };
  }

  private hasSphere = false;

  private mark(reveals: Reveals): string {
    const mark = `Q${++this.count}Z`;
    this.marks.set(mark, reveals);
    return mark;
  }

  private component(set: SetName, index: number): string {
    const selectors: [string, string][] = [];
    const seen = seenBy({ set, selectors });
    this.components.push({ set, selectors });
    const entire: Reveals = (grants) => seen(grants) && grants.includes('all-attributes');
    const id = `${this.prefix}c${index}${this.mark(seen)}`;
    selectors.push(['occurrence-id', id]);
    let declared = '';
    let content = '';
    const inside: string[] = [];
    const label = this.random(2) === 0 ? pick(this.random, CLASSES) : undefined;
    const deviceId = this.isCommon()
      ? `urn:uuid:common-${this.random(2)}`
      : `urn:uuid:${this.mark(set === 'devices' ? seen : () => false)}`;
    const contact = pick(this.random, ['sip', 'mailto', 'xmpp', 'tel']);
    for (const [permission, element] of ATTRIBUTES[set]) {
      if (this.random(3) === 0 && element !== 'dm:deviceID' && element !== 'contact') continue;
      const may: Reveals = (grants) => {
        if (!seen(grants)) return false;
        if (permission === 'always') return true;
        return permission === 'never' ? grants.includes('all-attributes') : isGranted(grants, permission);
      };
      if (element === 'rpid:class') {
        if (label === undefined) continue;
        selectors.push(['class', label]);
        inside.push(`<rpid:class id="${this.mark(may)}">${label}</rpid:class>`);
      } else if (element === 'dm:deviceID') {
        if (set !== 'devices') inside.push(`<dm:deviceID>urn:x:${this.mark(may)}</dm:deviceID>`);
        else {
          selectors.push(['deviceID', deviceId]);
          // A device's own id is told without whatever else stands in the element.
          inside.push(`<dm:deviceID a="${this.mark(entire)}">${deviceId}${this.aside(entire)}</dm:deviceID>`);
        }
      } else if (element === 'contact' && set === 'services') {
        const name = (): string => (this.isCommon() ? `common-${this.random(2)}` : `${this.prefix}u${this.mark(seen)}`);
        const uri = contact === 'tel' ? `tel:+1${this.count}${index}` : `${contact}:${name()}@host.example`;
        selectors.push(['service-uri', uri], ['service-uri-scheme', contact]);
        inside.push(
          `<contact priority="0.${this.random(10)}${this.mark(seen)}" f="${this.mark(entire)}">${uri}${this.aside(entire)}</contact>`,
        );
      } else if (element === 'rpid:sphere') {
        if (this.sphere === undefined) continue;
        this.hasSphere = true;
        inside.push(`<rpid:sphere id="${this.mark(may)}"><rpid:${this.sphere}/></rpid:sphere>`);
      } else inside.push(this.attribute(element, may, seen, entire));
    }
    if (set === 'services') inside.push(this.status(seen, entire));
    inside.push(this.userInput(seen));
    for (let n = this.random(3); n > 0; n--) {
      const { text, declaration } = this.extension(seen);
      declared += declaration;
      inside.push(text);
    }
    if (this.random(3) === 0) inside.push(`<!-- ${this.mark(entire)} <rpid:mood/> -->`);
    if (this.random(4) === 0) inside.push(this.mark(entire));
    if (this.random(4) === 0) inside.push(`<![CDATA[<!-- ${this.mark(entire)} -->]]>`);
    for (const part of inside.sort(() => this.random(3) - 1)) content += `\n  ${part}`;
    const name = set === 'services' ? 'tuple' : set === 'persons' ? 'dm:person' : 'dm:device';
    const foreign = this.random(2) === 0 ? ` hidden="${this.mark(entire)}"` : '';
    return `<${name}${foreign}${declared} id="${id}">${content}\n</${name}>`;
  }

  private isCommon(): boolean {
    return this.overlapping && this.random(2) === 0;
  }

  private attribute(element: string, may: Reveals, seen: Reveals, entire: Reveals): string {
    if (PLAIN.has(element) && element !== 'contact') {
      return `<${element} x="${this.mark(entire)}">${this.mark(may)}${this.aside(entire)}</${element}>`;
    }
    const nested = NESTED.has(element)
      ? `<rpid:other>${this.mark(may)}</rpid:other><rpid:note xml:lang="en">${this.mark(may)}</rpid:note>`
      : '';
    const comment = this.random(4) === 0 ? `<!-- ${this.mark((grants) => entire(grants) && seen(grants))} -->` : '';
    return `<${element} id="${this.mark(may)}">${this.mark(may)}${nested}${comment}</${element}>`;
  }

  /** Something in an element that should have nothing but text. */
  private aside(entire: Reveals): string {
    return this.random(3) === 0 ? `<rpid:mood>${this.mark(entire)}</rpid:mood>` : '';
  }

  private status(seen: Reveals, entire: Reveals): string {
    const basic = `<basic y="${this.mark(entire)}">${this.random(2) === 0 ? 'open' : 'closed'}</basic>`;
    const z = this.mark(entire);
    if (this.random(2) === 0) {
      const mood = this.mark((grants) => seen(grants) && isGranted(grants, 'provide-mood'));
      return `<status z="${z}">${basic}<rpid:mood>${mood}</rpid:mood><rpid:user-input>${this.mark(entire)}</rpid:user-input></status>`;
    }
    const { text, declaration } = this.extension(seen);
    return `<status z="${z}"${declaration}>${basic}${text}</status>`;
  }

  private userInput(seen: Reveals): string {
    const level = (grants: readonly Grant[]): number => {
      if (!seen(grants)) return 0;
      if (grants.includes('all-attributes')) return 3;
      return Math.max(
        0,
        ...grants.map((g) => (typeof g === 'object' && 'input' in g ? ['false', 'bare', 'thresholds', 'full'].indexOf(g.input) : 0)),
      );
    };
    const from = (least: number): string => this.mark((grants) => level(grants) >= least);
    return `<rpid:user-input idle-threshold="${from(2)}" last-input="${from(3)}" other="${from(3)}">${from(1)}</rpid:user-input>`;
  }

  /** An element of a namespace that is declared at the root, at the component, or in the element. */
  private extension(seen: Reveals): { text: string; declaration: string } {
    const name = `n${this.random(3)}`;
    const prefix = `p${++this.count}`;
    let namespace = '';
    const may: Reveals = (grants) =>
      seen(grants) &&
      grants.some((g) => g === 'all-attributes' || ('unknown' in g && g.unknown === namespace && g.name === name && g.value));
    const where = this.random(3);
    namespace = `urn:ext:${this.mark(may)}`;
    this.unknown.push([namespace, name]);
    const declaration = ` xmlns:${prefix}="${namespace}"`;
    if (where === 0) this.rootDeclarations += declaration;
    const own = where === 2 ? declaration : '';
    const text = `<${prefix}:${name}${own} ${prefix}:a="${this.mark(may)}"><${prefix}:in b="${this.mark(may)}">${this.mark(may)}</${prefix}:in></${prefix}:${name}>`;
    return { text, declaration: where === 1 ? declaration : '' };
  }
}

/** RFC 5025 3.3.1: URIs by equivalence, of which the tests use the case of hosts and schemes; all else with regard to case. */
function sameValue(kind: string, told: string, asked: string): boolean {
  if (kind === 'service-uri' || kind === 'deviceID') return foldUri(told) === foldUri(asked);
  return told === asked;
}

function foldUri(uri: string): string {
  if (/^urn:uuid:/i.test(uri)) return uri.toLowerCase();
  const [, scheme = '', rest = ''] = /^([^:]*):(.*)$/.exec(uri) ?? [];
  const at = /^sips?$/i.test(scheme) ? rest.lastIndexOf('@') + 1 : rest.length;
  return `${scheme.toLowerCase()}:${rest.slice(0, at)}${rest.slice(at).toLowerCase()}`;
}
