/**
 * Presence rules as plain values, judged by the shortest code that RFC 4745 and RFC 5025 allow: a second opinion on what a watcher may see,
 * which shares nothing with the server. `rulesXml` writes the same rules as a document.
 */

export type Handling = 'block' | 'confirm' | 'polite-block' | 'allow';

export type JudgedMember =
  | { readonly one: string }
  | { readonly domain?: string; readonly except: readonly { readonly id?: string; readonly domain?: string }[] }
  | 'foreign';

export type JudgedCondition =
  | { readonly identity: readonly JudgedMember[] }
  | { readonly sphere: readonly string[] }
  | { readonly validity: readonly (readonly [from: number, until: number])[] }
  | { readonly lists: readonly string[] }
  | 'other-identity'
  | 'anonymous-request'
  | 'foreign';

export type SetName = 'services' | 'persons' | 'devices';

export type Grant =
  | { readonly set: SetName; readonly members: 'all' | readonly (readonly [kind: string, value: string])[] }
  /** An element such as `provide-mood`. */
  | { readonly permission: string; readonly value: boolean }
  | { readonly input: 'false' | 'bare' | 'thresholds' | 'full' }
  | { readonly unknown: string; readonly name: string; readonly value: boolean }
  | 'all-attributes';

export interface JudgedRule {
  readonly id: string;
  readonly conditions: readonly JudgedCondition[];
  readonly handling: Handling | undefined;
  readonly grants: readonly Grant[];
}

export interface Moment {
  /** Undefined: somebody who is not authenticated. */
  readonly watcher: string | undefined;
  readonly sphere: string | undefined;
  readonly now: number;
  /** Members by the lists' URIs. */
  readonly lists: ReadonlyMap<string, readonly string[]>;
}

export interface Judgement {
  readonly handling: Handling;
  /** Those of all rules that hold; none unless the watcher is allowed. */
  readonly grants: readonly Grant[];
}

const RANK: readonly Handling[] = ['block', 'confirm', 'polite-block', 'allow'];

/** RFC 4745 10: what all rules that hold say together. */
export function judge(rules: readonly JudgedRule[], moment: Moment, byDefault: Handling): Judgement {
  const naming = (rule: JudgedRule) => rule.conditions.filter((c) => typeof c === 'object' && ('identity' in c || 'lists' in c));
  const isNamed = rules.some((rule) => naming(rule).length > 0 && naming(rule).every((c) => holds(c, moment, false)));
  const holding = rules.filter((rule) => rule.conditions.every((c) => holds(c, moment, isNamed)));
  if (holding.length === 0) return { handling: byDefault, grants: byDefault === 'allow' ? EVERYTHING : [] };
  const handling = RANK[Math.max(...holding.map((rule) => RANK.indexOf(rule.handling ?? 'block')))] ?? 'block';
  return { handling, grants: handling === 'allow' ? holding.flatMap((rule) => rule.grants) : [] };
}

const EVERYTHING: readonly Grant[] = [
  { set: 'services', members: 'all' },
  { set: 'persons', members: 'all' },
  { set: 'devices', members: 'all' },
  'all-attributes',
];

function holds(condition: JudgedCondition, { watcher, sphere, now, lists }: Moment, isNamed: boolean): boolean {
  if (condition === 'foreign') return false;
  if (condition === 'anonymous-request') return watcher === undefined;
  if (condition === 'other-identity') return watcher !== undefined && !isNamed;
  if ('sphere' in condition) return sphere !== undefined && condition.sphere.some((s) => s.toLowerCase() === sphere.toLowerCase());
  if ('validity' in condition) return condition.validity.some(([from, until]) => now >= from && now < until);
  if ('lists' in condition) return watcher !== undefined && condition.lists.some((uri) => lists.get(uri)?.includes(watcher));
  if (watcher === undefined) return condition.identity.length === 0;
  const host = watcher.slice(watcher.indexOf('@') + 1);
  return condition.identity.some((member) => {
    if (member === 'foreign') return false;
    if ('one' in member) return member.one === watcher;
    if (member.domain !== undefined && member.domain !== host) return false;
    return !member.except.some((e) => e.id === watcher || e.domain === host);
  });
}

/** RFC 4745 10.2 for booleans: is it true in one of them? */
export function isGranted(grants: readonly Grant[], permission: string): boolean {
  return grants.some((g) => g === 'all-attributes' || ('permission' in g && g.permission === permission && g.value));
}

/** What the conditions and permissions look like in a document. */
export function rulesXml(rules: readonly JudgedRule[], prefix = ''): string {
  const p = prefix === '' ? '' : `${prefix}:`;
  const written = rules.map(
    ({ id, conditions, handling, grants }) =>
      `<cr:rule id="${id}">${conditions.length === 0 ? '' : `<cr:conditions>${conditions.map(conditionXml).join('')}</cr:conditions>`}<cr:actions>${
        handling ? `<${p}sub-handling>${handling}</${p}sub-handling>` : ''
      }</cr:actions><cr:transformations>${grants.map((grant) => grantXml(grant, p)).join('')}</cr:transformations></cr:rule>`,
  );
  return `<cr:ruleset xmlns${prefix === '' ? '' : `:${prefix}`}="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:o="urn:oma:xml:xdm:common-policy" xmlns:f="urn:foreign">${written.join('\n')}</cr:ruleset>`;
}

function conditionXml(condition: JudgedCondition): string {
  if (condition === 'foreign') return '<f:weather/>';
  if (condition === 'anonymous-request' || condition === 'other-identity') return `<o:${condition}/>`;
  if ('sphere' in condition) return `<cr:sphere value="${condition.sphere.join(' ')}"/>`;
  if ('lists' in condition) return `<o:external-list>${condition.lists.map((uri) => `<o:entry anc="${uri}"/>`).join('')}</o:external-list>`;
  const iso = (time: number): string => new Date(time).toISOString();
  if ('validity' in condition) {
    const pairs = condition.validity.map(([from, until]) => `<cr:from>${iso(from)}</cr:from><cr:until>${iso(until)}</cr:until>`);
    return `<cr:validity>${pairs.join('')}</cr:validity>`;
  }
  return `<cr:identity>${condition.identity.map(memberXml).join('')}</cr:identity>`;
}

function memberXml(member: JudgedMember): string {
  if (member === 'foreign') return '<f:tribe/>';
  if ('one' in member) return `<cr:one id="${member.one}"/>`;
  const except = member.except.map((e) => (e.id === undefined ? `<cr:except domain="${e.domain}"/>` : `<cr:except id="${e.id}"/>`));
  return `<cr:many${member.domain === undefined ? '' : ` domain="${member.domain}"`}>${except.join('')}</cr:many>`;
}

function grantXml(grant: Grant, p: string): string {
  if (grant === 'all-attributes') return `<${p}provide-all-attributes/>`;
  if ('permission' in grant) return `<${p}${grant.permission}>${grant.value}</${p}${grant.permission}>`;
  if ('input' in grant) return `<${p}provide-user-input>${grant.input}</${p}provide-user-input>`;
  if ('unknown' in grant) {
    return `<${p}provide-unknown-attribute ns="${grant.unknown}" name="${grant.name}">${grant.value}</${p}provide-unknown-attribute>`;
  }
  const members =
    grant.members === 'all'
      ? `<${p}all-${grant.set}/>`
      : grant.members.map(([kind, value]) => `<${p}${kind}>${value}</${p}${kind}>`).join('');
  return `<${p}provide-${grant.set}>${members}</${p}provide-${grant.set}>`;
}
