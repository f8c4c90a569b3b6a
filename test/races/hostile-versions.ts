/** Pairs of documents that ask for as much work as can be when they are compared. */

const LISTS = 'urn:ietf:params:xml:ns:resource-lists';

/** As many of the pieces between head and tail as there is room for in `size` characters. */
function fill(size: number, head: string, tail: string, piece: (n: number) => string): string {
  const pieces = [`<resource-lists xmlns="${LISTS}">${head}`];
  const end = `${tail}</resource-lists>`;
  let length = (pieces[0]?.length ?? 0) + end.length;
  for (let n = 0; ; n++) {
    const next = piece(n);
    length += next.length;
    if (length > size) return pieces.join('') + end;
    pieces.push(next);
  }
}

const list = (size: number, piece: (n: number) => string): string => fill(size, '<list>', '</list>', piece);

/** The numbers below `count` in an order without order, the same for the same seed. */
function shuffled(count: number, seed: number): number[] {
  const order = Array.from({ length: count }, (_, n) => n);
  let state = seed;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    const j = state % (i + 1);
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}

function moved(size: number, seed: number): string {
  const order = shuffled(Math.floor(size / 26), seed);
  return list(size, (n) => (n < order.length ? `<entry uri="${String(order[n]).padStart(10)}"/>` : ' '.repeat(size)));
}

/** On every level, siblings in another order around the next level. */
function levels(size: number, step: number): string {
  // One that the step has no factor in common with, so that no URI comes twice.
  const width = Math.floor((size - 2000) / 90 / 17 / 7) * 7 + 1;
  const level = (n: number): string => Array.from({ length: width }, (_, i) => `<entry uri="${(i * step + n) % width}"/>`).join('');
  const open = Array.from({ length: 90 }, (_, n) => `<list name="n">${level(n)}`).join('');
  return `<resource-lists xmlns="${LISTS}">${open}${'</list>'.repeat(90)}</resource-lists>`;
}

function declared(size: number, value: string): string {
  const declarations = Array.from({ length: Math.floor(size / 50) }, (_, n) => ` xmlns:a${n}="u${n}"`).join('');
  return fill(size, `<list${declarations}>`, '</list>', (n) => `<list name="l${n}"><a1:${value}/></list>`);
}

type Versions = (size: number) => readonly [before: string, after: string];
const both =
  (make: (size: number, value: string) => string): Versions =>
  (size) => [make(size, 'a'), make(size, 'b')];

/** Bindings on every level, and below them names with prefixes that are bound nowhere or high above. */
function bound(size: number, value: string): string {
  const open = Array.from({ length: 90 }, (_, n) => `<list name="n" xmlns:a${n}="u${n}">`).join('');
  const uri = (n: number) => Array.from({ length: 40 }, (_, i) => `${(n * 40 + i).toString(36)}:`).join('');
  return fill(size, open, '</list>'.repeat(90), (n) => `<list name="${n}"><a0:${value} b="${uri(n)}"/></list>`);
}

export const VERSIONS: Readonly<Record<string, Versions>> = {
  'all entries moved': (size) => [moved(size, 1), moved(size, 2)],
  'all entries changed': both((size, value) => list(size, (n) => `<entry uri="${value}${n}"/>`)),
  'all attributes of all elements renamed': both((size, v) =>
    list(size, () => `<x:y xmlns:x="u" ${v}a="" ${v}b="" ${v}c="" ${v}d="" ${v}e="" ${v}f="" ${v}g="" ${v}h=""/>`),
  ),
  'all attributes of one element renamed': both((size, value) =>
    fill(size, '<list><x:y xmlns:x="x"', '/></list>', (n) => ` ${value}${n}=""`),
  ),
  'as deep as can be, all texts changed': both((size, value) =>
    fill(size, '', '', (n) => `${'<list>'.repeat(98)}<x:t xmlns:x="x">${value}${n}</x:t>${'</list>'.repeat(98)}`),
  ),
  'other orders on all levels': (size) => [levels(size, 1), levels(size, 7)],
  'one kind of element for another': both((size, value) => list(size, () => `<x:${value} xmlns:x="x"/>`)),
  'two kinds of elements in other turns': (size) => [
    list(size, (n) => (n % 2 === 0 ? '<x:a xmlns:x="x"/>' : '<x:b xmlns:x="x"/>')),
    list(size, (n) => (n % 2 === 1 ? '<x:a xmlns:x="x"/>' : '<x:b xmlns:x="x"/>')),
  ],
  'every second entry gone': (size) => [list(size, (n) => `<entry uri="${n}"/>`), list(size / 2, (n) => `<entry uri="${n * 2}"/>`)],
  'another long text': both((size, value) => fill(size, '<list><display-name>', '</display-name></list>', () => value)),
  'thousands of namespaces above all changes': both(declared),
  'thousands of prefixes below many namespaces': both(bound),
  'other namespaces everywhere': both((size, value) => list(size, (n) => `<x xmlns="${value}${n}"/>`)),
  'comments and texts in turn': both((size, value) =>
    fill(size, '<list><display-name>', '</display-name></list>', () => `x<!--${value}-->`),
  ),
  'processing instructions': both((size, value) => list(size, () => `<?${value}?>`)),
};
