/** Random XML and random numbers, all from one seed. */

/** A number from 0 to below `below`. */
export type Random = (below: number) => number;

/** Mulberry32: small, and good enough to try things with. */
export function randomNumbers(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export function pick<T>(random: Random, values: readonly T[]): T {
  return values[random(values.length)] as T;
}

/** Prefix ('' for the default) to namespace. */
export type Bindings = ReadonlyMap<string, string>;

const NAMES = ['a', 'b', 'c', 'entry', 'list', 'x.y-z_1', '\u00e9t\u00e9', '\u30a2', '\u{10400}'];
const URIS = ['urn:n1', 'urn:n2', 'http://n.test/3?a=b&amp;c', 'urn:\u00e9'];
const PREFIXES = ['p', 'q', 'r', 'p.1', '\u00e4'];
const TEXTS = [
  'text',
  ' ',
  '\n\t',
  '\r\n',
  '\r',
  '&amp;',
  '&lt;b&gt;',
  '&#65;',
  '&#x1F600;',
  '\u{1F600}',
  '\u20ac \u00a0',
  '>',
  `"it's"`,
  ']] ',
  '%41',
  '&quot;&apos;',
];
const OTHERS = [
  '<![CDATA[]]>',
  '<![CDATA[<a b="c">&amp;]] ]>]]>',
  '<![CDATA[\r\n]]>',
  '<!---->',
  '<!-- <a/> & - -->',
  '<!--\r\n\u20ac-->',
  '<?p?>',
  '<?p <a b="?" ?>',
  '<?xml-stylesheet\thref=">"?>',
];

/** Pieces of character data, comments, processing instructions and CDATA sections. */
function randomText(random: Random): string {
  let text = '';
  for (let n = random(4); n > 0; n--) text += random(3) === 0 ? pick(random, OTHERS) : pick(random, TEXTS);
  return text;
}

/** White space, comments and processing instructions, as they may stand around a root element. */
export function randomMisc(random: Random): string {
  let text = '';
  for (let n = random(3); n > 0; n--) text += pick(random, ['\n', '\r\n \t', '<!-- c -->', '<?p i?>', '<!--\u20ac-->']);
  return text;
}

function randomSpace(random: Random, least: '' | ' '): string {
  return pick(random, [least, least, ' ', '  ', '\n', '\r\n\t']);
}

/** Space, a name and a value in quotes of either kind. */
function writeAttribute(random: Random, name: string, value: string): string {
  const quote = value.includes('"') ? "'" : value.includes("'") ? '"' : pick(random, ['"', "'"]);
  return `${randomSpace(random, ' ')}${name}${randomSpace(random, '')}=${randomSpace(random, '')}${quote}${value}${quote}`;
}

function randomValue(random: Random): string {
  let value = '';
  for (let n = random(4); n > 0; n--) {
    const piece = pick(random, TEXTS);
    value += piece === `"it's"` ? pick(random, ['"', "'"]) : piece;
  }
  return value.includes('"') ? value.replaceAll("'", '&#39;') : value;
}

export interface Shape {
  /** Levels of elements below this one. */
  readonly depth: number;
  /** Child elements of one element, at most. */
  readonly width: number;
}

/** Writes elements in namespaces that no schema knows. Gives each a value of `k` that no other element of it has. */
export class ElementWriter {
  private readonly random: Random;
  private keys = 0;
  private readonly key: string;

  /** @param key what makes the values of `k` differ from those of other writers */
  constructor(random: Random, key: string) {
    this.random = random;
    this.key = key;
  }

  nextKey(): string {
    return `${this.key}${this.keys++}`;
  }

  /** An element, with the bindings of its parent taken as in scope; in no namespace only if it may be. */
  element(parent: Bindings, shape: Shape, { name = pick(this.random, NAMES), k = this.nextKey(), mayBeBare = true } = {}): string {
    const { random } = this;
    const scope = new Map(parent);
    let attributes = this.declarations(scope);
    // Nothing in the namespace of the document itself, whose schema would have a say.
    const usable = (prefix: string) => !(scope.get(prefix) ?? '').startsWith('urn:ietf:');
    let prefix = pick(random, ['', ...scope.keys()].filter(usable).concat('own'));
    if (prefix === '' && !mayBeBare && (scope.get('') ?? '') === '') prefix = 'own';
    if (prefix === 'own' && !scope.has('own')) {
      scope.set('own', 'urn:own');
      attributes += writeAttribute(random, 'xmlns:own', 'urn:own');
    }
    attributes += this.attributes(scope, k);
    const tag = prefix === '' ? name : `${prefix}:${name}`;
    const content = this.content(scope, shape);
    if (content === '' && random(2) === 0) return `<${tag}${attributes}${randomSpace(random, '')}/>`;
    return `<${tag}${attributes}${randomSpace(random, '')}>${content}</${tag}${randomSpace(random, '')}>`;
  }

  private declarations(scope: Map<string, string>): string {
    const { random } = this;
    let text = '';
    for (const prefix of random(3) === 0 ? [pick(random, PREFIXES), ''] : []) {
      if (random(2) === 0) continue;
      const uri = prefix === '' && random(4) === 0 ? '' : pick(random, URIS);
      scope.set(prefix, uri);
      text += writeAttribute(random, prefix === '' ? 'xmlns' : `xmlns:${prefix}`, uri);
    }
    return text;
  }

  private attributes(scope: Bindings, k: string): string {
    const { random } = this;
    const written = [writeAttribute(random, 'k', k)];
    const used = new Set(['{}k']);
    for (let n = random(4); n > 0; n--) {
      const prefixes = ['', '', ...[...scope.keys()].filter((prefix) => prefix !== '' && prefix !== 'rl')];
      const prefix = pick(random, prefixes);
      const local = pick(random, NAMES);
      const expanded = `{${prefix && scope.get(prefix)}}${local}`;
      if (used.has(expanded)) continue;
      used.add(expanded);
      const attribute = writeAttribute(random, prefix === '' ? local : `${prefix}:${local}`, randomValue(random));
      if (random(2) === 0) written.push(attribute);
      else written.unshift(attribute);
    }
    return written.join('');
  }

  private content(scope: Bindings, { depth, width }: Shape): string {
    const { random } = this;
    let text = randomText(random);
    if (depth <= 0) return text;
    for (let n = random(width + 1); n > 0; n--) {
      text += this.element(scope, { depth: depth - 1 - random(2), width: Math.max(1, width - random(3)) }) + randomText(random);
    }
    return text;
  }
}

const LISTS = 'urn:ietf:params:xml:ns:resource-lists';

/** A resource-lists document that its schema takes, with elements of other namespaces in it: deep, wide or neither. */
export function randomDocument(random: Random): string {
  const writer = new ElementWriter(random, 'd');
  const prefix = pick(random, ['', '', 'rl:']);
  const declaration = pick(random, ['', '<?xml version="1.0"?>', `<?xml version='1.0' encoding='utf-8' standalone="yes" ?>\r\n`]);
  const bindings = new Map([[prefix.slice(0, -1), LISTS]]);
  const shape = pick(random, [
    { depth: 2, width: 3 },
    { depth: 4, width: 2 },
    { depth: 50, width: 1 },
    { depth: 1, width: 60 },
  ]);
  let text = '';
  for (let list = random(3); list >= 0; list--) {
    text += `${pick(random, ['', '\n', ' <!-- c -->'])}<${prefix}list name='l${list}'>\r\n`;
    for (let entry = random(4); entry > 0; entry--) text += `<${prefix}entry uri="sip:${entry}@x"/>${pick(random, ['', '\n', '<?p?>'])}`;
    for (let n = 1 + random(2); n > 0; n--)
      text += `${writer.element(bindings, shape, { mayBeBare: false })}${pick(random, ['', '\t', '<!-- c -->'])}`;
    text += `</${prefix}list>`;
  }
  const root = `${prefix}resource-lists`;
  const xmlns = writeAttribute(random, prefix === '' ? 'xmlns' : `xmlns:${prefix.slice(0, -1)}`, LISTS);
  return `${declaration}${randomMisc(random)}<${root}${xmlns}>${text}\n</${root}>${randomMisc(random)}`;
}
