/** The XML Schema validator's complaints in words for people. */

export interface SchemaViolation {
  /** 1-based. */
  readonly line: number;
  /** 1-based, where known. */
  readonly column?: number;
  /** Local name of the element at fault, where known. */
  readonly element?: string;
  /** What is wrong and what was expected, in plain words. */
  readonly message: string;
}

/** A complaint as libxml2 words it. */
export interface Complaint {
  readonly line: number;
  readonly message: string;
}

const SUBJECT = /^Element '(?:\{([^}]*)\})?([^']*)'(?:, attribute '(?:\{[^}]*\})?([^']*)')?: (.*)$/s;

/** The complaint in plain words. */
export function violationFrom({ line, message }: Complaint): SchemaViolation {
  const match = SUBJECT.exec(message.trim());
  if (!match) return { line, message: message.trim() };
  const [, namespace = '', element = '', attribute, problem = ''] = match;
  return { line, element, message: rephrase(problem, namespace, element, attribute) };
}

function rephrase(problem: string, namespace: string, element: string, attribute: string | undefined): string {
  const name = `<${element}>`;
  const [, list] = /Expected is (?:one of )?\( (.*) \)\.$/s.exec(problem) ?? [];
  const expected = list === undefined ? undefined : choice(list, namespace);
  if (problem.startsWith('This element is not expected.')) {
    // The same name in another namespace is the commonest mistake, and invisible unless the namespace is told.
    const found = list === undefined || list.includes(`{${namespace}}`) ? name : elementName(namespace, element);
    return `${found} is not allowed here${expected === undefined ? '' : `; expected ${expected}`}`;
  }
  if (problem.startsWith('Missing child element(s).')) return `${name} is incomplete; it needs ${expected ?? 'more elements'}`;
  if (attribute !== undefined && problem.endsWith('is not allowed.')) return `${name} must not have the attribute ${attribute}`;
  const [, missing] = /^The attribute '(?:\{[^}]*\})?([^']*)' is required but missing\.$/.exec(problem) ?? [];
  if (missing !== undefined) return `${name} needs the attribute ${missing}`;
  if (problem.startsWith('Character content')) return `${name} must not contain text`;
  if (problem.startsWith('Element content is not allowed')) return `${name} must not contain elements`;
  return rephraseValue(problem, attribute === undefined ? `the content of ${name}` : `the attribute ${attribute} of ${name}`);
}

function rephraseValue(problem: string, subject: string): string {
  const enumeration = /^\[facet 'enumeration'\] The value '(.*)' is not an element of the set \{(.*)\}\.$/s.exec(problem);
  if (enumeration) {
    const [, value = '', set = ''] = enumeration;
    return `${subject} is ${quoted(value)}, but must be one of ${set.replaceAll("'", '"')}`;
  }
  const pattern = /^\[facet 'pattern'\] The value '(.*)' is not accepted by the pattern '(.*)'\.$/s.exec(problem);
  if (pattern) {
    const [, value = '', form = ''] = pattern;
    return `${subject} is ${quoted(value)}, which does not have the form ${form}`;
  }
  const type = /'(.*)' is not a valid value of the (?:\w+ )*type(?: '([^']*)')?\.$/s.exec(problem);
  if (type) {
    const [, value = '', typeName = ''] = type;
    return `${subject} is ${quoted(value)}, but must be ${TYPES[typeName] ?? `of the type ${typeName}`}`;
  }
  return `${subject}: ${problem}`;
}

const TYPES: Readonly<Record<string, string>> = {
  'xs:anyURI': 'a URI',
  'xs:boolean': 'true or false',
  'xs:dateTime': 'a date and time such as 2026-01-31T12:00:00Z',
  'xs:decimal': 'a number',
  'xs:ID': 'a name that begins with a letter or _, has only letters, digits, -, _ and ., and that nothing else in the document has',
  'xs:integer': 'a whole number',
  'xs:language': 'a language tag such as en',
  'xs:nonNegativeInteger': 'a whole number, 0 or more',
  'xs:positiveInteger': 'a whole number, 1 or more',
  'xs:unsignedInt': 'a whole number from 0 to 4294967295',
  'xs:unsignedLong': 'a whole number, 0 or more',
};

/** libxml2 stops after so many names. */
const LISTED = 10;

/** libxml2's list of what may stand in a place: `{namespace}local`, or `##other{namespace}*` for a wildcard. */
function choice(list: string, home: string): string {
  const items = list.split(', ').map((item) => {
    if (item.startsWith('##other')) return 'an element of another namespace';
    if (item.startsWith('##any') || item === '*') return 'any element';
    const [, namespace = '', local = ''] = /^(?:\{([^}]*)\})?(.*)$/s.exec(item) ?? [];
    return namespace === home ? `<${local}>` : elementName(namespace, local);
  });
  if (items.length >= LISTED) return `one of ${items.join(', ')} and others`;
  return items.length === 1 ? items.join() : `${items.slice(0, -1).join(', ')} or ${items.at(-1)}`;
}

/** The element for people, with its namespace. */
export function elementName(namespace: string, local: string): string {
  return `<${local}> (${namespace === '' ? 'in no namespace' : `namespace ${namespace}`})`;
}

const VALUE_LIMIT = 60;

function quoted(value: string): string {
  return `"${value.length > VALUE_LIMIT ? `${value.slice(0, VALUE_LIMIT)}...` : value}"`;
}
