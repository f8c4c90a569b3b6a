import { expect, it } from 'vitest';
import { CONFERENCE_INFO } from '../../schemas/conference-elements.ts';
import { mergeConferenceInfo, parseConferenceInfo, writeConferenceInfo } from '../../schemas/conference-info.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { childrenNamed, readXml } from '../helpers/xml-reader.ts';

/** A roster as a subscriber keeps it (RFC 4575 4.6): the statuses of each user's endpoints. */
type Roster = Map<string, Map<string, string>>;

const STATUSES = ['connected', 'on-hold', 'alerting', 'disconnected'];

/** Numbers below n, the same in every run. */
function random(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

const endpointText = (id: string, status: string, state = 'full') =>
  `<endpoint entity="${id}" state="${state}"><status>${status}</status></endpoint>`;

/** A change to some users, as text, made to the roster too. */
function change(roster: Roster, pick: (n: number) => number): string {
  let users = '';
  const touched = new Set<string>();
  for (let i = pick(4); i >= 0; i--) {
    const user = `sip:u${pick(6)}@example.com`;
    if (touched.has(user)) continue;
    touched.add(user);
    const kind = ['full', 'partial', 'deleted'][pick(3)] ?? 'full';
    if (kind === 'deleted') {
      roster.delete(user);
      users += `<user entity="${user}" state="deleted"/>`;
      continue;
    }
    const own = kind === 'full' ? new Map<string, string>() : new Map(roster.get(user));
    let endpoints = '';
    for (let e = 0; e < 3; e++) {
      if (pick(2) === 0) continue;
      const id = `e${e}`;
      const status = STATUSES[pick(4)] ?? '';
      const state = kind === 'full' ? 'full' : (['full', 'partial', 'deleted'][pick(3)] ?? 'full');
      if (state === 'deleted') own.delete(id);
      else own.set(id, status);
      endpoints += state === 'deleted' ? `<endpoint entity="${id}" state="deleted"/>` : endpointText(id, status, state);
    }
    roster.set(user, own);
    users += `<user entity="${user}" state="${kind}">${endpoints}</user>`;
  }
  return users;
}

function rosterIn(text: string): Roster {
  const roster: Roster = new Map();
  for (const users of childrenNamed(readXml(text), CONFERENCE_INFO, 'users')) {
    for (const user of childrenNamed(users, CONFERENCE_INFO, 'user')) {
      const endpoints = childrenNamed(user, CONFERENCE_INFO, 'endpoint').map((endpoint): [string, string] => [
        endpoint.attributes.get('entity') ?? '',
        childrenNamed(endpoint, CONFERENCE_INFO, 'status')[0]?.text ?? '',
      ]);
      roster.set(user.attributes.get('entity') ?? '', new Map(endpoints));
    }
  }
  return roster;
}

const sorted = (roster: Roster) => [...roster].map(([user, own]) => [user, [...own].sort()] as const).sort(([a], [b]) => (a < b ? -1 : 1));

it.each([1, 2, 3, 4, 5])('RFC 4575 4.6: random partial documents lead to what a subscriber would have made of them (seed %i)', (seed) => {
  const pick = random(seed);
  const roster: Roster = new Map();
  let known: ReturnType<typeof parseConferenceInfo> | undefined;
  for (let version = 0; version < 60; version++) {
    const users = change(roster, pick);
    const prefix = pick(2) === 0 ? '' : 'c';
    const text = `<conference-info xmlns="${CONFERENCE_INFO}" entity="sip:conf@example.com" state="partial"><users state="partial">${users}</users></conference-info>`;
    const written = prefix === '' ? text : text.replace(/<(\/?)/g, '<$1c:').replace('xmlns=', 'xmlns:c=');
    known = mergeConferenceInfo(known, parseConferenceInfo(written));
    const told = writeConferenceInfo(version, known);
    expect(schemaViolations(CONFERENCE_INFO, told)).toEqual([]);
    expect(told).not.toMatch(/state="(?:partial|deleted)"/);
    expect(sorted(rosterIn(told)), `version ${version}`).toEqual(sorted(roster));
  }
});
