/** The XCAP documents, selectors and presence documents that the scenarios write. */

export interface Buddy {
  readonly uri: string;
  readonly name?: string;
}

/** Where a user's buddy list is, from the XCAP root. */
export const buddiesPath = (user: string): string => `/resource-lists/users/${user}/buddies.xml`;

/** The list element in it. */
export const buddyListSelector = (user: string): string => `${buddiesPath(user)}/~~/resource-lists/list%5B@name=%22buddies%22%5D`;

/** One entry of the list. */
export const buddySelector = (user: string, uri: string): string => `${buddyListSelector(user)}/entry%5B@uri=%22${uri}%22%5D`;

export function buddyEntry({ uri, name }: Buddy): string {
  return name === undefined ? `<entry uri="${uri}"/>` : `<entry uri="${uri}"><display-name>${name}</display-name></entry>`;
}

export function buddiesDocument(owner: string, buddies: readonly Buddy[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">
  <list name="buddies">
    <display-name xml:lang="en">Buddy List of ${owner}</display-name>
${buddies.map((buddy) => `    ${buddyEntry(buddy)}\n`).join('')}  </list>
</resource-lists>
`;
}

export const servicesPath = (user: string): string => `/rls-services/users/${user}/index`;

/** An rls-services document that makes `serviceUri` the list. `root` is the absolute URI of the XCAP root. */
export function servicesDocument(serviceUri: string, root: string, user: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">
  <service uri="${serviceUri}">
    <resource-list>${root}${buddyListSelector(user)}</resource-list>
    <packages><package>presence</package></packages>
  </service>
</rls-services>
`;
}

export type Handling = 'allow' | 'block' | 'polite-block' | 'confirm';

export const rulesPath = (user: string): string => `/pres-rules/users/${user}/index`;

/** One rule of the rules document. */
export const ruleSelector = (user: string, id: string): string =>
  `${rulesPath(user)}/~~/cr:ruleset/cr:rule%5B@id=%22${id}%22%5D?xmlns(cr=urn:ietf:params:xml:ns:common-policy)`;

/** A rule for single watchers; one that lets them in shows them everything. Its prefix is bound in the document, not here. */
export function rule(id: string, handling: Handling, watchers: readonly string[]): string {
  const shown =
    handling === 'allow'
      ? `
    <cr:transformations>
      <provide-devices><all-devices/></provide-devices>
      <provide-persons><all-persons/></provide-persons>
      <provide-services><all-services/></provide-services>
      <provide-all-attributes/>
    </cr:transformations>`
      : '';
  return `<cr:rule id="${id}">
    <cr:conditions><cr:identity>${watchers.map((watcher) => `<cr:one id="${watcher}"/>`).join('')}</cr:identity></cr:conditions>
    <cr:actions><sub-handling>${handling}</sub-handling></cr:actions>${shown}
  </cr:rule>`;
}

export function rulesDocument(...rules: readonly string[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy">
  ${rules.join('\n  ')}
</cr:ruleset>
`;
}

export interface PresenceState {
  readonly basic: 'open' | 'closed';
  /** The word in the article's own `<im>` element. */
  readonly im?: string;
  readonly contact?: string;
  readonly tuple?: string;
}

export function pidf(entity: string, { basic, im, contact, tuple = 'slie74' }: PresenceState): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${entity}">
  <tuple id="${tuple}">
    <status><basic>${basic}</basic>${im === undefined ? '' : `<im>${im}</im>`}</status>${contact === undefined ? '' : `\n    <contact priority="1.0">${contact}</contact>`}
  </tuple>
</presence>
`;
}

export const callServicesPath = (user: string): string => `/simservs.ngn.etsi.org/users/${user}/simservs.xml`;

/** A rule of the user's call services; conditions and actions as they stand in the document. */
export function callRule(id: string, conditions: string, actions: string): string {
  return `<cp:rule id="${id}"><cp:conditions>${conditions}</cp:conditions><cp:actions>${actions}</cp:actions></cp:rule>`;
}

/** `more` follows the target. */
export const forwardTo = (target: string, more = ''): string => `<forward-to><target>${target}</target>${more}</forward-to>`;

export function simservs(content: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<simservs xmlns="http://uri.etsi.org/ngn/params/xml/simservs/xcap" xmlns:cp="urn:ietf:params:xml:ns:common-policy">${content}</simservs>
`;
}

/** A document that diverts calls by these rules. */
export const diversionDocument = (...rules: readonly string[]): string =>
  simservs(`<communication-diversion active="true"><cp:ruleset>${rules.join('')}</cp:ruleset></communication-diversion>`);
