/** A filter as it goes on to another notifier (RFC 4661). */
import { escapeAttribute, escapeText } from '../xml/escape.ts';
import { type Choice, type FilterContents, SIMPLE_FILTER, type Trigger } from './filter-set.ts';

export interface WrittenFilter {
  readonly id: string;
  /** Whom it is for, if not what the SUBSCRIBE is sent to. */
  readonly uri?: string | undefined;
  readonly domain?: string | undefined;
  readonly contents: FilterContents;
}

/** A filter set of this one filter. */
export function writeFilter({ id, uri, domain, contents }: WrittenFilter, packageName: string): string {
  const { what, triggers, bindings } = contents;
  const bound = Object.entries(bindings).map(([prefix, urn]) => empty('ns-binding', { prefix, urn }));
  const chosen = what
    ? `<what>${what.include.map(writeChoice('include')).join('')}${what.exclude.map(writeChoice('exclude')).join('')}</what>`
    : '';
  const opened = `<filter${attributes({ id, uri, domain })}>`;
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<filter-set xmlns="${SIMPLE_FILTER}"${attributes({ package: packageName })}>` +
    (bound.length > 0 ? `<ns-bindings>${bound.join('')}</ns-bindings>` : '') +
    `${opened}${chosen}${triggers.map(writeTrigger).join('')}</filter></filter-set>\n`
  );
}

function writeChoice(name: string): (choice: Choice) => string {
  return ({ type, value }) => element(name, type === 'namespace' ? { type } : {}, value);
}

function writeTrigger({ changed, added, removed }: Trigger): string {
  const changes = changed.map(({ expression, from, to, by }) =>
    element('changed', { from, to, ...(by === undefined ? {} : { by: decimal(by) }) }, expression),
  );
  const others = [...added.map((text) => element('added', {}, text)), ...removed.map((text) => element('removed', {}, text))];
  return `<trigger>${changes.join('')}${others.join('')}</trigger>`;
}

/** An xs:decimal has no exponent. */
function decimal(number: number): string {
  return number.toLocaleString('en-US', { useGrouping: false, maximumFractionDigits: 20 });
}

type Attributes = Readonly<Record<string, string | undefined>>;

function attributes(all: Attributes): string {
  return Object.entries(all)
    .map(([name, value]) => (value === undefined ? '' : ` ${name}="${escapeAttribute(value)}"`))
    .join('');
}

const empty = (name: string, all: Attributes): string => `<${name}${attributes(all)}/>`;
const element = (name: string, all: Attributes, text: string): string => `<${name}${attributes(all)}>${escapeText(text)}</${name}>`;
