import { splitOutsideQuotes } from './params.ts';
import { encodeText } from './text.ts';

/** A header field name as it is looked up: lower case, with its compact form (RFC 3261 7.3.3). */
interface FieldName {
  readonly lower: string;
  /** Lower-case character code of the compact form, 0 if there is none. */
  readonly compact: number;
}

const COMPACT_FORMS: Readonly<Record<string, string>> = {
  'accept-contact': 'a',
  'allow-events': 'u',
  'call-id': 'i',
  contact: 'm',
  'content-encoding': 'e',
  'content-length': 'l',
  'content-type': 'c',
  event: 'o',
  from: 'f',
  identity: 'y',
  'refer-to': 'r',
  'referred-by': 'b',
  'reject-contact': 'j',
  'request-disposition': 'd',
  'session-expires': 'x',
  subject: 's',
  supported: 'k',
  to: 't',
  via: 'v',
};
const LONG_FORMS = new Map(Object.entries(COMPACT_FORMS).map(([long, compact]) => [compact, long]));

const NAME_LIMIT = 1000;
const names = new Map<string, FieldName>();

function fieldName(name: string): FieldName {
  let known = names.get(name);
  if (known === undefined) {
    const lower = name.toLowerCase();
    const long = LONG_FORMS.get(lower) ?? lower;
    known = { lower: long, compact: COMPACT_FORMS[long]?.charCodeAt(0) ?? 0 };
    if (names.size >= NAME_LIMIT) names.clear();
    names.set(name, known);
  }
  return known;
}

const WRITTEN_NAMES = new Map([...LONG_FORMS].map(([compact, long]) => [compact, capitalised(long)]));

/** A name as it is to be written: the long form of a compact one, any other as it is. */
export function longName(name: string): string {
  return name.length === 1 ? (WRITTEN_NAMES.get(name.toLowerCase()) ?? name) : name;
}

function capitalised(name: string): string {
  return name === 'call-id' ? 'Call-ID' : name.replace(/(^|-)[a-z]/g, (initial) => initial.toUpperCase());
}

/** Names of fields, as many blocks have them. */
export class FieldNames {
  readonly names: readonly string[];
  private readonly lower: ReadonlySet<string>;

  constructor(names: readonly string[]) {
    this.names = names;
    this.lower = new Set(names.map((name) => fieldName(name).lower));
  }

  /** @param lower the name in lower case, not compact */
  has(lower: string): boolean {
    return this.lower.has(lower);
  }
}

/** Fields that many messages have in common, ready for the wire: they stand behind all others and are taken apart only when asked for. */
export class FieldBlock {
  readonly names: FieldNames;
  /** Lines, each ended by CRLF; a copy of the values, which keeps no message alive that they were cut from. */
  readonly text: string;

  /** @param values one for each name */
  constructor(names: FieldNames, values: readonly string[]) {
    this.names = names;
    this.text = names.names.map((name, i) => `${name}: ${clean(values[i] ?? '')}\r\n`).join('');
  }

  get count(): number {
    return this.names.names.length;
  }

  get fields(): [name: string, value: string][] {
    const values = FieldBlock.valuesOf(this.names, this.text);
    return this.names.names.map((name, i) => [name, values[i] ?? '']);
  }

  /** The values in the text of a block with those names, in their order. */
  static valuesOf({ names }: FieldNames, text: string): string[] {
    const lines = text.split('\r\n');
    return names.map((name, i) => lines[i]?.slice(name.length + 2) ?? '');
  }

  /** @param lower the name in lower case, not compact */
  has(lower: string): boolean {
    return this.names.has(lower);
  }
}

/** Numbers per field in the offset list: start and end of the name, start and end of the value. */
const STRIDE = 4;

/**
 * The header fields of a message, in order. Names compare without case and by compact form. Fields of a received message stay
 * where they are in its text until somebody asks for them. Values are bytes, one character each (see `text.ts`).
 */
export class Headers implements Iterable<[name: string, value: string]> {
  private readonly text: string;
  /** STRIDE numbers per field; the start of the name is -1 for a field that does not stand in `text`. */
  private readonly offsets: number[];
  private readonly names: (string | undefined)[] = [];
  private readonly values: (string | undefined)[] = [];
  private length: number;
  private block: FieldBlock | undefined;

  /** An empty list; or, for the parser, the fields that stand in `text` at `offsets`. */
  constructor(text = '', offsets: number[] = []) {
    this.text = text;
    this.offsets = offsets;
    this.length = offsets.length / STRIDE;
    this.block = undefined;
  }

  /** A list that ends with a ready block of fields. */
  static withBlock(block: FieldBlock): Headers {
    const headers = new Headers();
    headers.block = block;
    return headers;
  }

  /** Bytes of the text it was parsed from: all of a datagram, the header block alone of a message over a stream; 0 for one of ours. */
  get receivedLength(): number {
    return this.text.length;
  }

  /** A list of its own with the same fields; those of a received message stay where they are. */
  copy(): Headers {
    const copy = new Headers(this.text, this.offsets.slice());
    // Both hold little and have gaps; an iterator over them would cost more than the rest of the copy.
    for (let i = 0; i < this.names.length; i++) copy.names[i] = this.names[i];
    for (let i = 0; i < this.values.length; i++) copy.values[i] = this.values[i];
    copy.block = this.block;
    return copy;
  }

  /** Bytes of the header block that it was parsed from, with the empty line; 0 for one of ours. */
  get receivedHeadLength(): number {
    const end = this.text.indexOf('\r\n\r\n');
    return end < 0 ? this.text.length : end + 4;
  }

  /** Number of header fields. */
  get size(): number {
    return this.length + (this.block?.count ?? 0);
  }

  /** The raw value of the first field of that name, unfolded and trimmed. */
  get(name: string): string | undefined {
    const index = this.find(fieldName(name), 0);
    return index < 0 ? undefined : this.valueAt(index);
  }

  /** The raw values of all fields of that name, one per field. */
  all(name: string): string[] {
    const field = fieldName(name);
    const result: string[] = [];
    for (let i = this.find(field, 0); i >= 0; i = this.find(field, i + 1)) result.push(this.valueAt(i));
    return result;
  }

  /** The comma-separated items of all fields of that name; quoted strings and `<>` are not cut, empty items are dropped. */
  list(name: string): string[] {
    const values = this.all(name);
    return values.length === 1 ? splitOutsideQuotes(values[0] ?? '', ',') : values.flatMap((value) => splitOutsideQuotes(value, ','));
  }

  has(name: string): boolean {
    return this.find(fieldName(name), 0) >= 0;
  }

  /** Number of fields of that name. */
  count(name: string): number {
    const field = fieldName(name);
    let found = 0;
    for (let i = this.find(field, 0); i >= 0; i = this.find(field, i + 1)) found++;
    return found;
  }

  /** Replaces all fields of that name by one, which stands where the first of them stood (or last, if there was none). */
  set(name: string, value: string): void {
    const field = fieldName(name);
    const first = this.find(field, 0);
    if (first < 0) {
      this.add(name, value);
      return;
    }
    this.values[first] = clean(value);
    for (let i = this.find(field, first + 1); i >= 0; i = this.find(field, i)) this.remove(i);
  }

  /** Replaces the value of the first field of that name and leaves the others. */
  setFirst(name: string, value: string): void {
    const first = this.find(fieldName(name), 0);
    if (first < 0) this.add(name, value);
    else this.values[first] = clean(value);
  }

  /** Adds a field behind all others. */
  add(name: string, value: string): void {
    this.append(name, clean(value));
  }

  /** Adds a field whose value comes from a received message, and so can neither end its line nor hold more than bytes. */
  append(name: string, value: string): void {
    const index = this.length++;
    this.names[index] = name;
    this.values[index] = value;
    this.offsets.push(-1, 0, 0, 0);
  }

  /** Adds a field before all others. */
  addFirst(name: string, value: string): void {
    // Sparse caches of parsed fields must be as long as the list before they can be shifted.
    this.names.length = this.length;
    this.values.length = this.length;
    this.names.unshift(name);
    this.values.unshift(clean(value));
    this.offsets.unshift(-1, 0, 0, 0);
    this.length++;
  }

  /** Removes all fields of that name. */
  delete(name: string): void {
    const field = fieldName(name);
    for (let i = this.find(field, 0); i >= 0; i = this.find(field, i)) this.remove(i);
  }

  /** Removes the first field of that name. */
  deleteFirst(name: string): void {
    const first = this.find(fieldName(name), 0);
    if (first >= 0) this.remove(first);
  }

  *[Symbol.iterator](): Iterator<[name: string, value: string]> {
    this.expand();
    for (let i = 0; i < this.length; i++) yield [this.nameAt(i), this.valueAt(i)];
  }

  /** The fields as they go on the wire, each line ended, without Content-Length (which whoever knows the body writes). */
  format(): string {
    let text = '';
    for (let i = 0; i < this.length; i++) {
      if (!this.isNamed(i, CONTENT_LENGTH)) text += `${this.nameAt(i)}: ${this.valueAt(i)}\r\n`;
    }
    return this.block === undefined ? text : text + this.block.text;
  }

  /** Takes the block apart, so that its fields are like any others. */
  private expand(): void {
    const { block } = this;
    if (block === undefined) return;
    this.block = undefined;
    for (const [name, value] of block.fields) this.add(name, value);
  }

  private remove(index: number): void {
    this.names.length = this.length;
    this.values.length = this.length;
    this.names.splice(index, 1);
    this.values.splice(index, 1);
    this.offsets.splice(index * STRIDE, STRIDE);
    this.length--;
  }

  private find(field: FieldName, from: number): number {
    if (this.block?.has(field.lower)) this.expand();
    for (let i = from; i < this.length; i++) if (this.isNamed(i, field)) return i;
    return -1;
  }

  private isNamed(index: number, field: FieldName): boolean {
    const start = this.offsets[index * STRIDE] ?? -1;
    if (start < 0) {
      return fieldName(this.names[index] ?? '').lower === field.lower;
    }
    const length = (this.offsets[index * STRIDE + 1] ?? 0) - start;
    if (length === 1) {
      const code = this.text.charCodeAt(start) | 0x20;
      return code === field.compact || (field.lower.length === 1 && code === field.lower.charCodeAt(0));
    }
    const lower = field.lower;
    if (length !== lower.length) return false;
    for (let i = 0; i < length; i++) {
      let code = this.text.charCodeAt(start + i);
      if (code >= 0x41 && code <= 0x5a) code |= 0x20;
      if (code !== lower.charCodeAt(i)) return false;
    }
    return true;
  }

  private nameAt(index: number): string {
    const at = index * STRIDE;
    return (this.names[index] ??= this.text.slice(this.offsets[at], this.offsets[at + 1]));
  }

  private valueAt(index: number): string {
    const at = index * STRIDE;
    return (this.values[index] ??= unfold(this.text.slice(this.offsets[at + 2], this.offsets[at + 3])));
  }
}

const CONTENT_LENGTH = fieldName('Content-Length');

/** RFC 3261 7.3.1: a folded line stands for one with a space. A stray CR or LF is treated alike, so that it can never end a line of ours. */
function unfold(value: string): string {
  if (!value.includes('\n') && !value.includes('\r')) return value;
  // Line by line: one expression for the blanks on both sides of a line's end would take quadratic time in a long run of them.
  return value
    .split(/[\r\n]+/)
    .map(withoutBlanks)
    .filter((line) => line !== '')
    .join(' ');
}

/** Without the blanks at both ends; other white space may be part of a character (see `text.ts`). */
function withoutBlanks(line: string): string {
  let start = 0;
  let end = line.length;
  while (isBlank(line.charCodeAt(start))) start++;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** A value made by us: characters beyond a byte become UTF-8; nothing in it can end the line. */
function clean(value: string): string {
  if (!/[^\x20-\x7e]/.test(value)) return value;
  const bytes = /[^\x00-\xff]/.test(value) ? encodeText(value) : value;
  return unfold(bytes);
}
