/** Random presence documents with marks, as those of markedPresence, that the schemas take: what a user keeps as hard state (RFC 4827). */
import { pick, type Random } from '../rfc4825/random-xml.ts';
import { isGranted, type SetName } from './judged-rules.ts';
import { type MarkedComponent, type MarkedPresence, type Reveals, seenBy } from './marked-presence.ts';

const SPHERES = ['home', 'work'];

/** @param prefix makes ids unlike those of other documents */
export function markedHardState(random: Random, entity: string, prefix: string): MarkedPresence {
  let count = random(1_000_000) * 1000;
  const marks = new Map<string, Reveals>();
  const components: MarkedComponent[] = [];
  const unknown: [string, string][] = [];
  const mark = (reveals: Reveals): string => {
    const text = `Q${++count}Z`;
    marks.set(text, reveals);
    return text;
  };
  const component = (set: SetName, fill: (selectors: [string, string][], allows: (permission: string) => Reveals) => string): string => {
    const selectors: [string, string][] = [];
    const seen = seenBy({ set, selectors });
    const id = `${prefix}${components.length}${mark(seen)}`;
    selectors.push(['occurrence-id', id]);
    components.push({ set, selectors });
    const content = fill(selectors, (permission) => (grants) => seen(grants) && (permission === '' || isGranted(grants, permission)));
    const name = { services: 'tuple', persons: 'dm:person', devices: 'dm:device' }[set];
    return `<${name} id="${id}">${content}</${name}>`;
  };
  const extension = (allows: (permission: string) => Reveals): string => {
    let namespace = '';
    const may: Reveals = (grants) =>
      allows('')(grants) &&
      grants.some((g) => g === 'all-attributes' || ('unknown' in g && g.unknown === namespace && g.name === 'kept' && g.value));
    namespace = `urn:ext:${mark(may)}`;
    unknown.push([namespace, 'kept']);
    return `<x:kept xmlns:x="${namespace}" a="${mark(may)}">${mark(may)}</x:kept>`;
  };

  const tuple = (): string =>
    component('services', (selectors, allows) => {
      const uri = `sip:${prefix}u${mark(allows(''))}@host.example`;
      selectors.push(['service-uri', uri], ['service-uri-scheme', 'sip']);
      return `<status><basic>open</basic></status>${extension(allows)}<contact>${uri}</contact><note>${mark(allows('provide-note'))}</note>`;
    });
  const sphere = random(3) > 0 ? pick(random, SPHERES) : undefined;
  const person = (): string =>
    component('persons', (_, allows) => {
      const place = sphere === undefined ? '' : `<rpid:sphere><rpid:${sphere}/></rpid:sphere>`;
      const note = (permission: string): string => `<rpid:note>${mark(allows(permission))}</rpid:note>`;
      const [activities, mood] = [note('provide-activities'), note('provide-mood')];
      return `<rpid:activities>${activities}<rpid:away/></rpid:activities><rpid:mood>${mood}<rpid:happy/></rpid:mood>${place}${extension(allows)}<dm:note>${mark(allows('provide-note'))}</dm:note>`;
    });
  const device = (): string =>
    component('devices', (selectors, allows) => {
      const id = `urn:x-device:${mark(allows(''))}`;
      selectors.push(['deviceID', id]);
      return `${extension(allows)}<dm:deviceID>${id}</dm:deviceID><dm:note>${mark(allows('provide-note'))}</dm:note>`;
    });
  const parts = [tuple(), ...(random(2) === 0 ? [tuple()] : []), person(), device()];
  const text = `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="${entity}">${parts.join('\n')}</presence>`;
  return { text, marks, components, sphere, unknown };
}

/** A person of whom no more is known than a sphere. */
export function markedPlace(entity: string, sphere: string): MarkedPresence {
  const text = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="${entity}"><dm:person id="place"><rpid:sphere><rpid:${sphere}/></rpid:sphere></dm:person></presence>`;
  return { text, marks: new Map(), components: [], sphere, unknown: [] };
}
