import { describe, expect, it } from 'vitest';
import {
  ALL_PERMISSIONS,
  combinePermissions,
  combineSubHandling,
  NO_PERMISSIONS,
  type Permissions,
  PRES_RULES,
  type PresenceRule,
  parsePresenceRules,
  permissionsKey,
  type Selector,
  SUB_HANDLINGS,
  USER_INPUTS,
} from '../../schemas/pres-rules.ts';
import { parseXml } from '../../schemas/xml/parse.ts';

function rules(content: string): PresenceRule[] {
  return parsePresenceRules(
    parseXml(`<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="${PRES_RULES}" xmlns:x="urn:example:x">${content}</ruleset>`),
  );
}

function granted(transformations: string): Permissions {
  const [rule] = rules(`<rule id="a"><transformations>${transformations}</transformations></rule>`);
  return rule?.permissions ?? NO_PERMISSIONS;
}

function handling(actions: string) {
  return rules(`<rule id="a"><actions>${actions}</actions></rule>`)[0]?.subHandling;
}

const with_ = (some: Partial<Permissions>): Permissions => ({ ...NO_PERMISSIONS, ...some });

describe('RFC 5025 3.2.1: sub-handling', () => {
  it('is what the rule says, or absent', () => {
    for (const value of SUB_HANDLINGS) expect(handling(`<pr:sub-handling>\n ${value} </pr:sub-handling>`)).toBe(value);
    expect(handling('')).toBeUndefined();
    expect(handling('<pr:sub-handling>everything</pr:sub-handling>')).toBeUndefined();
    expect(handling('<x:sub-handling>allow</x:sub-handling>')).toBeUndefined();
  });

  it('RFC 4745 10.2: combines to the greatest', () => {
    expect(combineSubHandling([])).toBeUndefined();
    expect(combineSubHandling([undefined])).toBeUndefined();
    for (const [i, a] of SUB_HANDLINGS.entries()) {
      expect(combineSubHandling([undefined, a])).toBe(a);
      for (const [j, b] of SUB_HANDLINGS.entries()) expect(combineSubHandling([a, b])).toBe(SUB_HANDLINGS[Math.max(i, j)]);
    }
  });
});

describe('RFC 5025 3.3: transformations', () => {
  it('grants nothing without any', () => {
    expect(granted('')).toEqual(NO_PERMISSIONS);
    expect(granted('<x:provide-mood>true</x:provide-mood><pr:provide-shoe-size>true</pr:provide-shoe-size>')).toEqual(NO_PERMISSIONS);
  });

  it('3.3.1: selectors of devices, services and persons', () => {
    expect(
      granted(`<pr:provide-devices><pr:deviceID>urn:uuid:1</pr:deviceID><pr:class> my  class </pr:class><pr:service-uri>sip:no</pr:service-uri><x:more/></pr:provide-devices>
        <pr:provide-services><pr:service-uri>sip:a@example.com</pr:service-uri><pr:service-uri-scheme>sip</pr:service-uri-scheme><pr:occurrence-id>o</pr:occurrence-id></pr:provide-services>
        <pr:provide-persons><pr:class>a</pr:class></pr:provide-persons><pr:provide-persons><pr:class>b</pr:class><pr:class>a</pr:class></pr:provide-persons>`),
    ).toEqual(
      with_({
        provideDevices: [
          { kind: 'deviceID', value: 'urn:uuid:1' },
          { kind: 'class', value: 'my class' },
        ],
        provideServices: [
          { kind: 'service-uri', value: 'sip:a@example.com' },
          { kind: 'service-uri-scheme', value: 'sip' },
          { kind: 'occurrence-id', value: 'o' },
        ],
        providePersons: [
          { kind: 'class', value: 'a' },
          { kind: 'class', value: 'b' },
        ],
      }),
    );
    expect(
      granted(
        '<pr:provide-devices><pr:all-devices/></pr:provide-devices><pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-persons><pr:all-persons/></pr:provide-persons>',
      ),
    ).toEqual(with_({ provideDevices: 'all', provideServices: 'all', providePersons: 'all' }));
    expect(granted('<pr:provide-devices><pr:all-persons/></pr:provide-devices>')).toEqual(NO_PERMISSIONS);
  });

  it.each([
    ['provide-activities', 'provideActivities'],
    ['provide-class', 'provideClass'],
    ['provide-deviceID', 'provideDeviceID'],
    ['provide-mood', 'provideMood'],
    ['provide-place-is', 'providePlaceIs'],
    ['provide-place-type', 'providePlaceType'],
    ['provide-privacy', 'providePrivacy'],
    ['provide-relationship', 'provideRelationship'],
    ['provide-sphere', 'provideSphere'],
    ['provide-status-icon', 'provideStatusIcon'],
    ['provide-time-offset', 'provideTimeOffset'],
    ['provide-note', 'provideNote'],
  ] as const)('3.3.2: %s', (element, permission) => {
    for (const value of ['true', ' 1 ']) expect(granted(`<pr:${element}>${value}</pr:${element}>`)).toEqual(with_({ [permission]: true }));
    for (const value of ['false', '0', '', 'yes', 'TRUE'])
      expect(granted(`<pr:${element}>${value}</pr:${element}>`)).toEqual(NO_PERMISSIONS);
  });

  it('3.3.2.12: user input', () => {
    for (const value of USER_INPUTS) {
      expect(granted(`<pr:provide-user-input>${value}</pr:provide-user-input>`)).toEqual(with_({ provideUserInput: value }));
    }
    expect(granted('<pr:provide-user-input>all</pr:provide-user-input>')).toEqual(NO_PERMISSIONS);
  });

  it('3.3.2.14: unknown attributes, only where true', () => {
    const unknown = (name: string, value: string) =>
      `<pr:provide-unknown-attribute name="${name}" ns="urn:v">${value}</pr:provide-unknown-attribute>`;
    expect(granted(unknown('foo', 'true') + unknown('bar', 'false') + unknown('foo', '1'))).toEqual(
      with_({ provideUnknownAttributes: [{ namespace: 'urn:v', name: 'foo' }] }),
    );
    expect(granted('<pr:provide-unknown-attribute name="foo">true</pr:provide-unknown-attribute>')).toEqual(NO_PERMISSIONS);
  });

  it('3.3.2.15: all attributes stand for each, but for no person, device or service', () => {
    const all = granted('<pr:provide-all-attributes/>');
    expect(all).toEqual({ ...ALL_PERMISSIONS, provideDevices: [], provideServices: [], providePersons: [] });
    expect(all.provideMood).toBe(true);
    expect(all.provideUserInput).toBe('full');
  });

  it('6: reads a document as a whole', () => {
    const [rule] = rules(`<rule id="a"><conditions><identity><one id="sip:user@example.com"/></identity></conditions>
      <actions><pr:sub-handling>allow</pr:sub-handling></actions>
      <transformations>
        <pr:provide-services><pr:service-uri-scheme>sip</pr:service-uri-scheme><pr:service-uri-scheme>mailto</pr:service-uri-scheme></pr:provide-services>
        <pr:provide-persons><pr:all-persons/></pr:provide-persons>
        <pr:provide-activities>true</pr:provide-activities><pr:provide-user-input>bare</pr:provide-user-input>
        <pr:provide-unknown-attribute ns="urn:vendor:foo" name="foo">true</pr:provide-unknown-attribute>
      </transformations></rule>`);
    expect(rule).toEqual({
      id: 'a',
      conditions: [{ kind: 'identity', members: [{ kind: 'one', id: 'sip:user@example.com', canonical: 'sip:user@example.com' }] }],
      subHandling: 'allow',
      permissions: with_({
        provideServices: [
          { kind: 'service-uri-scheme', value: 'sip' },
          { kind: 'service-uri-scheme', value: 'mailto' },
        ],
        providePersons: 'all',
        provideActivities: true,
        provideUserInput: 'bare',
        provideUnknownAttributes: [{ namespace: 'urn:vendor:foo', name: 'foo' }],
      }),
    });
  });
});

const biz: Selector = { kind: 'class', value: 'biz' };
const home: Selector = { kind: 'class', value: 'home' };
const device: Selector = { kind: 'deviceID', value: 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6' };

describe('RFC 4745 10.2: combining permissions', () => {
  it('of no rules is nothing', () => {
    expect(combinePermissions([])).toEqual(NO_PERMISSIONS);
  });

  it.each([
    ['TRUE over FALSE', { provideMood: true }, { provideMood: false }, { provideMood: true }],
    ['FALSE with no value', { provideMood: false }, {}, {}],
    ['each permission by itself', { provideMood: true }, { provideNote: true }, { provideMood: true, provideNote: true }],
    ['maximum', { provideUserInput: 'bare' }, { provideUserInput: 'thresholds' }, { provideUserInput: 'thresholds' }],
    ['maximum with no value', { provideUserInput: 'bare' }, {}, { provideUserInput: 'bare' }],
    [
      'union (RFC 5025 3.3.1.1)',
      { provideDevices: [device, biz] },
      { provideDevices: [home, biz] },
      { provideDevices: [device, biz, home] },
    ],
    ['union with the empty set', { provideDevices: [] }, { provideDevices: [biz] }, { provideDevices: [biz] }],
    ['union with all', { provideServices: 'all' }, { provideServices: [biz] }, { provideServices: 'all' }],
    ['sets by themselves', { provideServices: [biz] }, { provideDevices: [biz] }, { provideServices: [biz], provideDevices: [biz] }],
    [
      'unknown attributes',
      { provideUnknownAttributes: [{ namespace: 'urn:a', name: 'a' }] },
      {
        provideUnknownAttributes: [
          { namespace: 'urn:b', name: 'a' },
          { namespace: 'urn:a', name: 'a' },
        ],
      },
      {
        provideUnknownAttributes: [
          { namespace: 'urn:a', name: 'a' },
          { namespace: 'urn:b', name: 'a' },
        ],
      },
    ],
  ] satisfies [string, Partial<Permissions>, Partial<Permissions>, Partial<Permissions>][])('%s', (_, a, b, combined) => {
    expect(permissionsKey(combinePermissions([with_(a), with_(b)]))).toBe(permissionsKey(with_(combined)));
    expect(permissionsKey(combinePermissions([with_(b), with_(a)]))).toBe(permissionsKey(with_(combined)));
    expect(combinePermissions([with_(a), with_(b)])).toEqual(with_(combined));
  });

  it('everything swallows the rest', () => {
    expect(
      combinePermissions([ALL_PERMISSIONS, with_({ provideDevices: [biz], provideUnknownAttributes: [{ namespace: 'a', name: 'b' }] })]),
    ).toEqual(ALL_PERMISSIONS);
  });

  it('takes time in proportion to a hostile document', () => {
    const content = Array.from({ length: 20_000 }, (_, i) => `<pr:provide-persons><pr:class>c${i}</pr:class></pr:provide-persons>`).join(
      '',
    );
    const started = performance.now();
    expect(granted(content).providePersons).toHaveLength(20_000);
    // Taking the union pair by pair would take minutes.
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('10.3: does not depend on order, grouping or repetition', () => {
    const random = generator(7);
    for (let i = 0; i < 300; i++) {
      const [a, b, c] = [permissions(random), permissions(random), permissions(random)];
      const key = permissionsKey(combinePermissions([a, b, c]));
      expect(permissionsKey(combinePermissions([c, a, b, a]))).toBe(key);
      expect(permissionsKey(combinePermissions([a, combinePermissions([b, c])]))).toBe(key);
    }
  });
});

describe('the key of permissions', () => {
  it('is equal exactly for equal permissions', () => {
    const random = generator(11);
    const seen = new Map<string, Permissions>();
    for (let i = 0; i < 2000; i++) {
      const p = combinePermissions([permissions(random)]);
      const key = permissionsKey(p);
      const same = seen.get(key);
      if (same) expect(sorted(same)).toEqual(sorted(p));
      for (const [other, q] of [...seen].slice(-20)) if (other !== key) expect(sorted(q)).not.toEqual(sorted(p));
      seen.set(key, p);
      expect(permissionsKey({ ...p, provideDevices: reversed(p.provideDevices), provideServices: reversed(p.provideServices) })).toBe(key);
    }
    expect(seen.size).toBeGreaterThan(500);
  });

  it('cannot be forged by what a selector holds', () => {
    const keys = [
      with_({ provideDevices: [{ kind: 'class', value: 'a"],["class","b' }] }),
      with_({
        provideDevices: [
          { kind: 'class', value: 'a' },
          { kind: 'class', value: 'b' },
        ],
      }),
      with_({ provideDevices: [{ kind: 'class', value: 'a] [' }] }),
      with_({ provideDevices: [{ kind: 'class', value: 'all' }] }),
      with_({ provideDevices: 'all' }),
      with_({ provideServices: 'all' }),
      with_({ providePersons: 'all' }),
      with_({ provideUnknownAttributes: [{ namespace: 'a', name: 'b' }] }),
      with_({ provideUnknownAttributes: [{ namespace: 'b', name: 'a' }] }),
      with_({ provideUnknownAttributes: [{ namespace: 'a b', name: 'c' }] }),
      with_({ provideUnknownAttributes: [{ namespace: 'a', name: 'b c' }] }),
      NO_PERMISSIONS,
      ALL_PERMISSIONS,
    ].map(permissionsKey);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('keeps apart unknown attributes that differ only in where a space is', () => {
    const provideUnknownAttributes = [
      { namespace: 'a b', name: 'c' },
      { namespace: 'a', name: 'b c' },
    ];
    expect(combinePermissions([{ provideUnknownAttributes }]).provideUnknownAttributes).toEqual(provideUnknownAttributes);
  });

  it('takes a repeated member once', () => {
    expect(permissionsKey(with_({ provideDevices: [biz, biz] }))).toBe(permissionsKey(with_({ provideDevices: [biz] })));
  });
});

/** Repeatable numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}

function permissions(random: () => number): Permissions {
  const some = (): 'all' | Selector[] => (random() < 0.1 ? 'all' : [biz, home, device].filter(() => random() < 0.4));
  return with_({
    provideDevices: some(),
    provideServices: some(),
    providePersons: some(),
    provideMood: random() < 0.5,
    provideNote: random() < 0.5,
    provideActivities: random() < 0.5,
    provideUserInput: USER_INPUTS[Math.floor(random() * 4)] ?? 'false',
    provideUnknownAttributes: random() < 0.3 ? [{ namespace: 'urn:a', name: 'a' }] : [],
    provideAllAttributes: random() < 0.05,
  });
}

function reversed<T>(set: 'all' | readonly T[]): 'all' | readonly T[] {
  return set === 'all' ? set : [...set].reverse();
}

function sorted(p: Permissions) {
  const order = (set: 'all' | readonly Selector[]) => (set === 'all' ? set : set.map(({ kind, value }) => `${kind} ${value}`).sort());
  return {
    ...p,
    provideDevices: order(p.provideDevices),
    provideServices: order(p.provideServices),
    providePersons: order(p.providePersons),
  };
}
