import { describe, expect, test } from 'vitest';
import { decideBy, type Question, ruleset, ruleXml } from './decide-by.ts';

/** RFC 4745's own examples, and the rules that they are for. */

async function isAllowed(document: string, question: Question): Promise<boolean> {
  return (await decideBy([document], question)).handling === 'allow';
}

const one = (id: string) => `<one id="${id}"/>`;
const identity = (...members: readonly string[]) => `<identity>${members.join('')}</identity>`;
const validity = (...times: readonly string[]) =>
  `<validity>${times.map((time, i) => (i % 2 === 0 ? `<from>${time}</from>` : `<until>${time}</until>`)).join('')}</validity>`;

describe('RFC 4745 7.1: identity', () => {
  test('7.1.2: one matches a single identity of any scheme', async () => {
    const rules = ruleset(
      ruleXml('f3g44r1', identity(one('sip:alice@example.com'), one('tel:+1-212-555-1234'), one('mailto:bob@example.net'))),
    );
    for (const watcher of ['sip:alice@example.com', 'tel:+12125551234', 'mailto:bob@example.net']) {
      expect([watcher, await isAllowed(rules, { watcher })]).toEqual([watcher, true]);
    }
    for (const watcher of ['sip:mallory@example.com', 'sip:+12125551234@example.com', 'sip:alice@example.net']) {
      expect([watcher, await isAllowed(rules, { watcher })]).toEqual([watcher, false]);
    }
  });

  test.each([
    ['example.com', 'sip:a@example.com', true],
    ['EXAMPLE.com', 'sip:a@example.com', true],
    ['ex%61mple.com', 'sip:a@example.com', true],
    ['b\u00fccher.example', 'sip:a@xn--bcher-kva.example', true],
    ['xn--bcher-kva.example', 'sip:a@xn--bcher-kva.example', true],
    ['example.com', 'sip:a@sub.example.com', false],
    ['sub.example.com', 'sip:a@example.com', false],
    ['%zz', 'sip:a@example.com', false],
    ['not a domain', 'sip:a@example.com', false],
  ])('7.1.3: the domain "%s" and %s: %s', async (domain, watcher, matches) => {
    expect(await isAllowed(ruleset(ruleXml('r', identity(`<many domain="${domain}"/>`))), { watcher })).toBe(matches);
  });

  test('7.1.3.1: many without anything matches every authenticated user', async () => {
    const rules = ruleset(ruleXml('f3g44r5', identity('<many/>')));
    expect(await isAllowed(rules, { watcher: 'sip:x@anywhere.test' })).toBe(true);
    expect(await isAllowed(rules, { watcher: 'sip:anonymous@anonymous.invalid' })).toBe(false);
  });

  test('7.1.3.2: exceptions, within a sphere and a time', async () => {
    const excepted = ['sip:alice@bad.example.net', 'sip:bob@good.example.net', 'tel:+1-212-555-1234', 'sip:alice@example.com'];
    const except = `${['example.com', 'example.org'].map((domain) => `<except domain="${domain}"/>`).join('')}${excepted.map((id) => `<except id="${id}"/>`).join('')}`;
    const rules = ruleset(
      ruleXml(
        'f3g44r1',
        `<sphere value="work"/>${identity(`<many>${except}</many>`)}${validity('2003-12-24T17:00:00+01:00', '2003-12-24T19:00:00+01:00')}`,
      ),
    );
    const inside = { sphere: 'work', at: '2003-12-24T16:30:00Z' };
    for (const watcher of ['sip:carol@bad.example.net', 'sip:alice@elsewhere.test']) {
      expect([watcher, await isAllowed(rules, { ...inside, watcher })]).toEqual([watcher, true]);
    }
    for (const watcher of [
      'sip:x@example.com',
      'sip:x@example.org',
      'sip:alice@bad.example.net',
      'sip:bob@good.example.net',
      'tel:+12125551234',
    ]) {
      expect([watcher, await isAllowed(rules, { ...inside, watcher })]).toEqual([watcher, false]);
    }
    const watcher = 'sip:alice@elsewhere.test';
    expect(await isAllowed(rules, { ...inside, watcher, sphere: 'home' })).toBe(false);
    expect(await isAllowed(rules, { ...inside, watcher, at: '2003-12-24T18:00:00Z' })).toBe(false);
  });

  test('7.1.3.3: a domain except some of it', async () => {
    const rules = ruleset(
      ruleXml(
        'f3g44r1',
        identity('<many domain="example.com"><except id="sip:alice@example.com"/><except id="sip:dan@example.com"/></many>'),
      ),
    );
    expect(await isAllowed(rules, { watcher: 'sip:carol@example.com' })).toBe(true);
    for (const watcher of ['sip:alice@example.com', 'sip:dan@example.com', 'sip:carol@example.org']) {
      expect([watcher, await isAllowed(rules, { watcher })]).toEqual([watcher, false]);
    }
  });

  test('7, 7.1.1: what is of an unknown namespace is false, as a condition and as a member', async () => {
    const watcher = 'sip:alice@example.com';
    expect(await isAllowed(ruleset(ruleXml('r', `${identity(one(watcher))}<x:moon xmlns:x="urn:x"/>`)), { watcher })).toBe(false);
    expect(await isAllowed(ruleset(ruleXml('r', identity('<x:tribe xmlns:x="urn:x"/>'))), { watcher })).toBe(false);
    expect(await isAllowed(ruleset(ruleXml('r', identity('<x:tribe xmlns:x="urn:x"/>', one(watcher)))), { watcher })).toBe(true);
  });

  test('7.1.1: without an identity condition a rule is for everyone, authenticated or not', async () => {
    const rules = ruleset('<rule id="r"><actions><p:sub-handling>allow</p:sub-handling></actions></rule>');
    for (const watcher of ['sip:x@anywhere.test', 'sip:anonymous@anonymous.invalid'])
      expect(await isAllowed(rules, { watcher })).toBe(true);
  });
});

describe('RFC 4745 7.3, 7.4: sphere and validity', () => {
  test('7.3: the example of three rules', async () => {
    const rules = ruleset(
      ruleXml('f3g44r2', `<sphere value="work"/>${identity(one('sip:andrew@example.com'))}`),
      ruleXml('y6y55r2', `<sphere value="home"/>${identity(one('sip:allison@example.com'))}`),
      ruleXml('z6y55r2', `${identity(one('sip:john@doe.example.com'))}<sphere value="home work"/>`),
    );
    const who = async (sphere?: string) => {
      const seen: string[] = [];
      for (const watcher of ['sip:andrew@example.com', 'sip:allison@example.com', 'sip:john@doe.example.com']) {
        if (await isAllowed(rules, { watcher, ...(sphere === undefined ? {} : { sphere }) })) seen.push(watcher.slice(4, 8));
      }
      return seen;
    };
    expect(await who('work')).toEqual(['andr', 'john']);
    expect(await who('home')).toEqual(['alli', 'john']);
    expect(await who('HOME')).toEqual(['alli', 'john']);
    expect(await who('travel')).toEqual([]);
    expect(await who()).toEqual([]);
  });

  test('7.4: from is inside, until is not; pairs are alternatives; zones count', async () => {
    const rules = ruleset(
      ruleXml(
        'f3g44r3',
        validity('2003-08-15T10:20:00.000-05:00', '2003-09-15T10:20:00.000-05:00', '2004-01-01T00:00:00Z', '2004-01-02T00:00:00Z'),
      ),
    );
    const at = (time: string) => isAllowed(rules, { watcher: 'sip:a@example.com', at: time });
    expect(await at('2003-08-15T15:19:59.999Z')).toBe(false);
    expect(await at('2003-08-15T15:20:00.000Z')).toBe(true);
    expect(await at('2003-09-15T15:19:59.999Z')).toBe(true);
    expect(await at('2003-09-15T15:20:00.000Z')).toBe(false);
    expect(await at('2004-01-01T12:00:00Z')).toBe(true);
    const { validUntil } = await decideBy([rules], { watcher: 'sip:a@example.com', at: '2003-10-01T00:00:00Z' });
    expect(validUntil).toBe(Date.parse('2004-01-01T00:00:00Z'));
  });
});

describe('RFC 4745 10: combining', () => {
  const [A1, A2, A3, B1, B2] = [
    '2003-12-24T17:00:00+01:00',
    '2003-12-24T21:00:00+01:00',
    '2003-12-24T23:30:00+01:00',
    '2003-12-22T17:00:00+01:00',
    '2003-12-23T17:00:00+01:00',
  ];

  test('10.3: the example, with a mood for X, the handling for Y and the input for Z', async () => {
    // Y: 3 block, 5 confirm, 10 polite-block, 12 allow. Z: - bare, o thresholds, + full.
    const row = (id: string, name: string, sphere: string, times: readonly string[], x: boolean | null, y: string, z: string) =>
      ruleXml(
        id,
        `${identity(one(`sip:${name}@example.com`))}<sphere value="${sphere}"/>${validity(...times)}`,
        y,
        `${x === null ? '' : `<p:provide-mood>${x}</p:provide-mood>`}<p:provide-user-input>${z}</p:provide-user-input>`,
      );
    const rules = ruleset(
      row('a1', 'carl', 'home', [A1, A2], true, 'polite-block', 'thresholds'),
      row('a2', 'alice', 'work', [A1, A2], false, 'confirm', 'full'),
      row('a3', 'carl', 'work', [A1, A2], true, 'block', 'bare'),
      row('a4', 'tom', 'work', [A1, A2], true, 'confirm', 'full'),
      row('a5', 'carl', 'work', [A1, A3], null, 'allow', 'thresholds'),
      row('a6', 'carl', 'work', [B1, B2], false, 'polite-block', 'bare'),
    );
    const decision = await decideBy([rules], { watcher: 'sip:carl@example.com', sphere: 'work', at: '2003-12-24T17:15:00+01:00' });
    expect(decision).toMatchObject({ handling: 'allow', permissions: { provideMood: true, provideUserInput: 'thresholds' } });
    expect(decision.because).toMatch(/rule a3 .*rule a5 /);
    expect(decision.because).not.toMatch(/rule a[1246] /);
    // Rules that hold no longer say nothing, and the decision knows until when it holds.
    expect(decision.validUntil).toBe(Date.parse(A2));
  });

  test('10.1, 10.2: all conditions of a rule, and each permission by itself over all documents', async () => {
    const watcher = 'sip:alice@example.com';
    const documents = [
      ruleset(
        ruleXml(
          'a',
          identity(one(watcher)),
          'confirm',
          '<p:provide-services><p:class>a</p:class></p:provide-services><p:provide-note>true</p:provide-note>',
        ),
      ),
      ruleset(
        ruleXml(
          'b',
          identity(one(watcher)),
          'allow',
          '<p:provide-services><p:class>b</p:class><p:class>a</p:class></p:provide-services><p:provide-note>false</p:provide-note>',
        ),
      ),
      ruleset(ruleXml('c', `${identity(one(watcher))}<sphere value="x"/>`, 'allow', '<p:provide-all-attributes/>')),
    ];
    const decision = await decideBy(documents, { watcher });
    expect(decision).toMatchObject({
      handling: 'allow',
      permissions: { provideNote: true, provideMood: false, provideAllAttributes: false },
    });
    expect(decision.permissions.provideServices).toHaveLength(2);
  });

  test('10.2: what no rule has a value for has the lowest', async () => {
    const decision = await decideBy([ruleset(ruleXml('r', '', 'allow'))], { watcher: 'sip:alice@example.com' });
    expect(decision.permissions).toMatchObject({
      provideServices: [],
      providePersons: [],
      provideDevices: [],
      provideUserInput: 'false',
      provideUnknownAttributes: [],
      provideAllAttributes: false,
      provideNote: false,
    });
  });
});
