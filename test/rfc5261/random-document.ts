/** Random documents and random edits of them, by a generator that can be started again from its seed. */
export class RandomEditor {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 up to `limit`, without it. */
  below(limit: number): number {
    // Mulberry32.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  document(): string {
    const prolog = this.pick(['', '<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-8"?>\n<!-- a -->\n']);
    return `${prolog}<r${this.pick(['', ' xmlns="urn:a"', ' xmlns="urn:a" xmlns:d="urn:d" xmlns:p="urn:p"'])} xmlns:q="urn:q">${this.content(0)}</r>${this.pick(['', '\n'])}`;
  }

  content(depth: number): string {
    let out = '';
    for (let n = this.below(depth === 0 ? 9 : 5); n > 0; n--) {
      out += this.pick([
        () => this.pick(['\n  ', ' ', '\n', '\r\n\t']),
        () => this.pick(['text', 'a&amp;b', '&#32;', '<![CDATA[<x>]]>', 'ü>', '<![CDATA[]]>']),
        () => this.pick(['<!-- note -->', '<!---->', '<!-- <x> -->']),
        () => this.pick(['<?do it?>', '<?go?>']),
        () => this.element(depth + 1),
        () => this.element(depth + 1),
        () => `${this.element(depth + 1)}\n  `,
        () => `\n  ${this.element(depth + 1)}`,
      ])();
    }
    return out;
  }

  element(depth: number): string {
    const name = this.pick(['e', 'e', 'f', 'q:e', 'g']);
    const tag = `${name}${this.attributes()}${this.pick(['', '', ' ', ' xmlns="urn:b"', ' xmlns=""', ' xmlns:n="urn:n"'])}`;
    if (depth > 3 || this.below(3) === 0) return this.pick([`<${tag}/>`, `<${tag}></${name}>`]);
    return `<${tag}>${this.content(depth)}</${name}${this.pick(['', '', '', ' '])}>`;
  }

  attributes(): string {
    let out = '';
    for (const name of ['id', 'xml:lang', 'q:a', 'b']) {
      if (this.below(3) > 0) continue;
      const quote = this.pick(['"', '"', "'"]);
      const value =
        name === 'xml:lang' ? this.pick(['de', 'en', 'fr']) : this.pick(['1', '2', '3', '', 'a&amp;b', 'x&#10;y', 'a>b', '&quot;', '&lt;']);
      out += `${this.pick([' ', ' ', '\n '])}${name}=${quote}${value}${quote}`;
    }
    return out;
  }

  /** Another text near the given one: a few pieces of it cut, doubled, moved, or replaced. May not be well-formed. */
  edit(text: string): string {
    const pieces = text.match(/<!--.*?-->|<[^>]*>|[^<]+/gs) ?? [];
    for (let n = 1 + this.below(3); n > 0; n--) {
      const at = 1 + this.below(pieces.length - 1);
      this.pick([
        () => pieces.splice(at, 1),
        () => pieces.splice(at, 0, this.element(2)),
        () => pieces.splice(at, 0, this.content(2)),
        () => pieces.splice(at, 1, this.element(2)),
        () => pieces.splice(at, 0, pieces[1 + this.below(pieces.length - 1)] ?? ''),
        () => pieces.splice(at, 0, this.pick(['\n', ' ', 'word'])),
        () => pieces.splice(at, 1, (pieces[at] ?? '').replace(/ (id|b)="[^"]*"/, this.pick(['', ' $1="new"', ' $1="a&amp;b"']))),
        () => pieces.splice(at, 1, (pieces[at] ?? '').replace(/(\/?>)$/, ' c="d"$1')),
      ])();
    }
    return pieces.join('');
  }
}
