/**
 * The expressions of filters (RFC 4661 5): a small part of XPath, read by a grammar of its own. What comes out is XPath again, written anew
 * from what was understood, so that nothing else is ever evaluated; and it takes time in proportion to the document.
 */

/** What of a filter is not understood or not taken; `message` tells its author. */
export class FilterError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FilterError';
  }
}

/** A stretch of a location path: a relative XPath expression with a descendant step at its start or none at all, and what must hold of what it selects. */
export interface Segment {
  readonly path: string;
  /** XPath expressions, each of which must be true of a node. */
  readonly conditions: readonly string[];
}

export interface FilterExpression {
  /** The first is applied to the document node, each further one to what the one before selected. */
  readonly segments: readonly Segment[];
  /** Of the prefixes used in `segments`. */
  readonly namespaces: Readonly<Record<string, string>>;
  /** Comparisons in all. */
  readonly comparisons: number;
  /** Equal for expressions that select the same, whatever their prefixes and spaces. */
  readonly key: string;
}

const XML = 'http://www.w3.org/XML/1998/namespace';
const LONGEST = 1000;
const MOST_STEPS = 20;
const MOST_COMPARISONS = 20;

const TOKEN = /\s*(\/\/|\.\.|[/[\]@*.=<>:]|"[^"]*"|'[^']*'|-?\d+(?:\.\d+)?|[\p{L}_][\p{L}\p{N}\p{M}_.\u00b7-]*)/uy;
const NAME = /^[\p{L}_]/u;
const VALUE = /^(?:["']|-?\d)/;

/**
 * Reads a `selection` or, for what triggers, a `reference` (RFC 4661 5, 3.6). A condition may stand at any step, as in the RFC's own examples.
 * `bindings` gives the prefixes' namespaces. Throws FilterError.
 */
export function parseExpression(
  text: string,
  bindings: Readonly<Record<string, string>>,
  kind: 'selection' | 'reference',
): FilterExpression {
  if (text.length > LONGEST) throw new FilterError(`an expression of more than ${LONGEST} characters`);
  return new ExpressionReader(text, bindings, kind).read();
}

class ExpressionReader {
  private readonly tokens: string[] = [];
  private at = 0;
  private steps = 0;
  private comparisons = 0;
  private readonly prefixes = new Map<string, string>();
  private readonly text: string;
  private readonly bindings: Readonly<Record<string, string>>;
  private readonly conditions: boolean;

  constructor(text: string, bindings: Readonly<Record<string, string>>, kind: 'selection' | 'reference') {
    this.text = text.trim();
    this.bindings = bindings;
    this.conditions = kind === 'selection';
    TOKEN.lastIndex = 0;
    for (let end = 0; end < this.text.length; end = TOKEN.lastIndex) {
      const token = TOKEN.exec(this.text)?.[1];
      if (token === undefined) throw this.error('it cannot be read');
      this.tokens.push(token);
    }
  }

  read(): FilterExpression {
    const segments: Segment[] = [];
    let segment = '';
    const end = (conditions: readonly string[]): void => {
      if (segment !== '') segments.push({ path: segment, conditions });
      segment = '';
    };
    let ended = false;
    do {
      const slash = this.take();
      if ((slash !== '/' && slash !== '//') || ended) throw this.error('a step must begin with / or //');
      if (this.next === '@') {
        // `//@x` is an attribute of any element.
        if (slash === '//') {
          end([]);
          segment = 'descendant-or-self::*/';
        } else if (segment !== '') segment += '/';
        else if (segments.length === 0) throw this.error('the document itself has no attributes');
        segment += this.attribute();
        ended = true;
        continue;
      }
      if (slash === '//') {
        end([]);
        segment = `descendant::${this.nodeTest()}`;
      } else segment += `${segment === '' ? '' : '/'}${this.nodeTest()}`;
      const conditions: string[] = [];
      while (this.next === '[') conditions.push(this.condition());
      if (conditions.length > 0) end(conditions);
    } while (this.at < this.tokens.length);
    end([]);
    const namespaces = Object.fromEntries([...this.prefixes].map(([uri, prefix]) => [prefix, uri]));
    return { segments, namespaces, comparisons: this.comparisons, key: JSON.stringify([segments, ...this.prefixes.keys()]) };
  }

  private get next(): string | undefined {
    return this.tokens[this.at];
  }

  private take(): string {
    const token = this.tokens[this.at++];
    if (token === undefined) throw this.error('it ends too early');
    return token;
  }

  private expect(token: string): void {
    if (this.take() !== token) throw this.error(`${token} is missing`);
  }

  private nodeTest(): string {
    if (++this.steps > MOST_STEPS) throw this.error(`it has more than ${MOST_STEPS} steps`);
    if (this.next !== '*') return this.name();
    this.at++;
    return '*';
  }

  private attribute(): string {
    this.expect('@');
    this.steps++;
    return `@${this.name()}`;
  }

  /** RFC 4661 5: a name without a prefix is in no namespace. */
  private name(): string {
    const first = this.plainName();
    if (this.next !== ':') return first;
    this.at++;
    const uri = first === 'xml' ? XML : Object.hasOwn(this.bindings, first) ? this.bindings[first] : undefined;
    if (uri === undefined) throw this.error(`no ns-binding has the prefix ${first}`);
    let prefix = this.prefixes.get(uri);
    if (prefix === undefined) this.prefixes.set(uri, (prefix = `n${this.prefixes.size}`));
    return `${prefix}:${this.plainName()}`;
  }

  private plainName(): string {
    const name = this.take();
    if (!NAME.test(name)) throw this.error(`a name is missing before ${name}`);
    return name;
  }

  private condition(): string {
    this.expect('[');
    if (!this.conditions) throw this.error('what triggers is referred to without conditions');
    let written = this.comparison();
    while (this.next === 'and' || this.next === 'or') written += ` ${this.take()} ${this.comparison()}`;
    this.expect(']');
    return written;
  }

  private comparison(): string {
    if (++this.comparisons > MOST_COMPARISONS) throw this.error(`it has more than ${MOST_COMPARISONS} comparisons`);
    const operand = this.operand();
    const operator = this.take();
    if (!/^[=<>]$/.test(operator)) throw this.error('a condition compares by =, < or >');
    const value = this.take();
    if (!VALUE.test(value)) throw this.error('a condition compares with a quoted text or a number');
    return `${operand}${operator}${value}`;
  }

  private operand(): string {
    if (this.next === '.' || this.next === '..') return this.take();
    let path = '';
    let descends = false;
    for (;;) {
      if (this.next === '@') return path + this.attribute();
      path += this.nodeTest();
      const slash = this.next;
      if (slash !== '/' && slash !== '//') return path;
      this.at++;
      if (slash === '//') {
        // Two would take time by the square of the document.
        if (descends) throw this.error('a condition has more than one //');
        descends = true;
        if (this.next === '@') throw this.error('// is followed by an element in a condition');
        path += '/descendant::';
      } else path += '/';
    }
  }

  private error(why: string): FilterError {
    const shown = this.text.length > 60 ? `${this.text.slice(0, 60)}...` : this.text;
    return new FilterError(`the expression ${shown}: ${why}`);
  }
}
