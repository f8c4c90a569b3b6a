import { attribute, type XmlElement } from '../schemas/xml/tree.ts';
import type { Step } from './node-selector.ts';

/** Fewer children are looked through faster than they are indexed. */
const WORTH_INDEXING = 16;

type TestedStep = Step & { readonly name: NonNullable<Step['name']>; readonly test: NonNullable<Step['test']> };

/** The children of one element that have one name, by their value of one attribute; null where several have the value. */
interface ChildIndex {
  readonly name: TestedStep['name'];
  readonly attribute: Pick<TestedStep['test'], 'uri' | 'local'>;
  readonly byValue: ReadonlyMap<string, XmlElement | null>;
}

/** What was read once; an index is worth its making from the second reading on. */
const READ_ONCE = null;
const indexes = new WeakMap<XmlElement, ChildIndex | typeof READ_ONCE>();

/**
 * The one child that a step such as `entry[@uri="..."]` chooses (RFC 4825 6.3), by an index that is made when the same tree is read
 * again; undefined when no or several children match. `fallback` chooses where there is no index for the step.
 */
export function chooseIndexed(
  parent: XmlElement,
  step: Step,
  fallback: (siblings: readonly XmlElement[], step: Step) => XmlElement | undefined,
): XmlElement | undefined {
  if (parent.elements.length < WORTH_INDEXING || !isTested(step)) return fallback(parent.elements, step);
  let index = indexes.get(parent);
  if (index === undefined) {
    indexes.set(parent, READ_ONCE);
    return fallback(parent.elements, step);
  }
  if (index === READ_ONCE) {
    index = makeIndex(parent, step);
    indexes.set(parent, index);
  }
  return serves(index, step) ? (index.byValue.get(step.test.value) ?? undefined) : fallback(parent.elements, step);
}

function isTested(step: Step): step is TestedStep {
  return step.name !== undefined && step.test !== undefined && step.position === undefined;
}

function serves({ name, attribute }: ChildIndex, step: TestedStep): boolean {
  const { test } = step;
  return name.local === step.name.local && name.uri === step.name.uri && attribute.local === test.local && attribute.uri === test.uri;
}

function makeIndex({ elements }: XmlElement, { name, test }: TestedStep): ChildIndex {
  const byValue = new Map<string, XmlElement | null>();
  for (const element of elements) {
    if (element.local !== name.local || element.uri !== name.uri) continue;
    const value = attribute(element, test.local, test.uri);
    if (value !== undefined) byValue.set(value, byValue.has(value) ? null : element);
  }
  return { name, attribute: test, byValue };
}
