/** Documents of a megabyte that try to make work of every kind. */

const SIZE = 1024 * 1024 - 64;
const LISTS = 'urn:ietf:params:xml:ns:resource-lists';

/** What fills the bytes where the number of nodes is bounded. */
const LONG = 'x'.repeat(70);

export interface Shape {
  readonly auid: 'resource-lists' | 'rls-services' | 'pres-rules';
  readonly text: string;
}

/** As many of the pieces between head and tail as there is room for, and not more than `most`. */
function fill(head: string, tail: string, piece: (n: number) => string, most = Number.POSITIVE_INFINITY): string {
  const pieces = [head];
  let length = Buffer.byteLength(head) + Buffer.byteLength(tail);
  for (let n = 0; ; n++) {
    const next = piece(n);
    length += Buffer.byteLength(next);
    if (length > SIZE || n >= most) return pieces.join('') + tail;
    pieces.push(next);
  }
}

function lists(head: string, tail: string, piece: (n: number) => string, most?: number): Shape {
  return { auid: 'resource-lists', text: fill(`<resource-lists xmlns="${LISTS}">${head}`, `${tail}</resource-lists>`, piece, most) };
}

function services(piece: (n: number) => string, most?: number): Shape {
  const root = '<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">';
  return { auid: 'rls-services', text: fill(root, '</rls-services>', piece, most) };
}

function rules(head: string, tail: string, piece: (n: number) => string, most?: number): Shape {
  const root = '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:p="urn:ietf:params:xml:ns:pres-rules">';
  return { auid: 'pres-rules', text: fill(root + head, `${tail}</ruleset>`, piece, most) };
}

export const SHAPES: Readonly<Record<string, Shape>> = {
  'a list as long as can be': lists('<list name="f">', '</list>', (n) => `<entry uri="sip:user${n}-${LONG}@example.com"/>`, 9990),
  'more lists than can be': lists('', '', () => '<list/>'),
  'as many lists as can be': lists('', '', () => `<list>${LONG.replaceAll('x', ' ').slice(40)}</list>`, 19_990),
  'as many elements as can be, none of them valid': lists('<list>', '</list>', () => '<a/>', 19_990),
  'as many attributes as can be': lists('<list>', '</list>', () => '<x:y xmlns:x="u" a="" b="" c="" d="" e="" f="" g="" h=""/>', 1990),
  'as many lists of one name as can be': lists('', '', () => '<list name="f"/>', 9990),
  'lists with names': lists('', '', (n) => `<list name="${n}"/>`),
  'the shortest elements': lists('<list>', '</list>', () => '<a/>'),
  'the same entry again and again': lists('<list name="f">', '</list>', () => '<entry uri=""/>'),
  'lists of one name': lists('', '', () => '<list name="f"/>'),
  'attributes without end': lists('<list', '/>', (n) => ` a${n}=""`),
  'attributes of a namespace': lists('<list xmlns:p="urn:p"', '/>', (n) => ` p:a${n}=""`),
  'attributes on many elements': lists('<list>', '</list>', () => '<x:y xmlns:x="u" a="" b="" c="" d="" e="" f="" g="" h=""/>'),
  'declarations without end': lists('<list', '/>', (n) => ` xmlns:a${n}="u"`),
  'a declaration on each element': lists('<list>', '</list>', (n) => `<x xmlns="u${n}"/>`),
  'prefixes bound far above': lists(
    `<list${Array.from({ length: 2000 }, (_, n) => ` xmlns:a${n}="u${n}"`).join('')}>${'<b:b xmlns:b="b">'.repeat(90)}`,
    `${'</b:b>'.repeat(90)}</list>`,
    (n) => `<a${n % 2000}:c/>`,
  ),
  'one long text': lists('<list><display-name>', '</display-name></list>', () => 'x'),
  'one long attribute': lists('<list name="', '"/>', () => 'x'),
  'references in an attribute': lists('<list name="', '"/>', () => '&amp;'),
  'references in a text': lists('<list><display-name>', '</display-name></list>', () => '&#65;'),
  'line ends': lists('', '', () => '\r'),
  'comments and text in turn': lists('<list><display-name>', '</display-name></list>', () => 'x<!---->'),
  'processing instructions': lists('', '', () => '<?a?>'),
  'empty CDATA sections': lists('<list><display-name>', '</display-name></list>', () => '<![CDATA[]]>'),
  'as deep as can be, again and again': lists('', '', () => '<list>'.repeat(98) + '</list>'.repeat(98), 200),
  'deeper than can be': lists('', '', () => '<list>'),
  'what no schema knows': lists('<list>', '</list>', (n) => `<x:e${n} xmlns:x="x"/>`, 6600),
  'one long name': lists('<list><', '/></list>', () => 'a'),
  'references that are not absolute': lists('<list>', '</list>', (n) => `<entry-ref ref="${n}"/>`, 9990),
  'more services than can be': services((n) => `<service uri="sip:s${n}@x"><list/></service>`, 6000),
  'as many services as can be': services((n) => `<service uri="sip:s${n}@x"><list/></service>`, 4999),
  'services of one URI': services(() => '<service uri="sip:s@x"><list/></service>'),
  'services with long paths': services((n) => `<service uri="s${n}"><resource-list>http://x/xcap-root/a</resource-list></service>`),
  'as many rules as can be': rules('', '', (n) => `<rule id="r${n}-${LONG}"/>`, 9990),
  'rules with an id': rules('', '', (n) => `<rule id="r${n}"/>`),
  'rules with one id': rules('', '', () => '<rule id="r"/>'),
  'identities in a rule': rules(
    '<rule id="r"><conditions><identity>',
    '</identity></conditions></rule>',
    (n) => `<one id="sip:${n}@x"/>`,
    9990,
  ),
  'spheres that are wrong': rules('<rule id="r"><conditions>', '</conditions></rule>', () => '<validity><from>x</from></validity>'),
  'no end': lists('<list>', '', () => '<list name="a">x</list>'),
};
