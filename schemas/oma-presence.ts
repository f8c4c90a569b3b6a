/** What OMA Presence SIMPLE adds to presence documents and to the rules about them. */

export const OMA_PRES_RULES = 'urn:oma:xml:prs:pres-rules';
/** The extensions of presence documents. */
export const OMA_PRESENCE = 'urn:oma:xml:prs:pidf:oma-pres';

/** An attribute of presence by its name, as RFC 5025 3.3.2.14 permits it. */
interface NamedAttribute {
  readonly namespace: string;
  readonly name: string;
}

const GEOPRIV = 'urn:ietf:params:xml:ns:pidf:geopriv10';

const ATTRIBUTES = new Map<string, readonly NamedAttribute[]>([
  ['provide-willingness', ours('willingness', 'overriding-willingness')],
  ['provide-network-availability', ours('network-availability')],
  ['provide-session-participation', ours('session-participation')],
  ['provide-registration-state', ours('registration-state')],
  ['provide-barring-state', ours('barring-state')],
  ['provide-geopriv', [{ namespace: GEOPRIV, name: 'geopriv' }]],
]);

/** The attributes that an OMA transformation of this local name and value lets watchers see; none unless it says so. */
export function omaAttributes(local: string, value: string): readonly NamedAttribute[] {
  const granted = local === 'provide-geopriv' ? value === 'full' : value === 'true' || value === '1';
  return granted ? (ATTRIBUTES.get(local) ?? []) : [];
}

function ours(...names: readonly string[]): NamedAttribute[] {
  return names.map((name) => ({ namespace: OMA_PRESENCE, name }));
}
