import { readFileSync } from 'node:fs';
import { parseXml, XmlError } from '../schemas/xml/parse.ts';
import { attribute, type XmlElement } from '../schemas/xml/tree.ts';
import { isOwnSchema, registerOpenNamespace, registerSchema, schemaFor } from '../schemas/xml/validate.ts';
import type { ApplicationUsage } from '../xcap/application-usage.ts';
import { OWN_AUIDS } from '../xcap/usages/index.ts';
import { ConfigError } from './config.ts';
import type { UsageSetting } from './usage-setting.ts';

/** The usages of the settings, their schemas ready for use. Throws ConfigError, with one line, for the first that cannot be. */
export function operatorUsages(settings: readonly UsageSetting[]): ApplicationUsage[] {
  const auids = new Set<string>();
  /** Where the schema of each namespace comes from. */
  const schemas = new Map<string, string | undefined>();
  return settings.map((setting) => {
    const { auid, namespace, contentType, schema } = setting;
    if (OWN_AUIDS.has(auid)) throw fault(auid, 'the server has this usage itself');
    if (auids.has(auid)) throw fault(auid, 'there are two usages of this AUID');
    auids.add(auid);
    if (schemas.has(namespace) && schemas.get(namespace) !== schema)
      throw fault(auid, `the namespace ${namespace} has another schema elsewhere`);
    if (!schemas.has(namespace)) provideSchema(setting);
    schemas.set(namespace, schema);
    // RFC 4825 12: a namespace is listed when the server can validate it.
    const namespaces = schema !== undefined || isOwnSchema(namespace) ? [namespace] : [];
    return { auid, defaultNamespace: namespace, contentType, schema: namespace, namespaces };
  });
}

function provideSchema({ auid, namespace, schema }: UsageSetting): void {
  if (isOwnSchema(namespace)) {
    if (schema !== undefined) throw fault(auid, `the server has a schema for ${namespace} itself`);
    return;
  }
  if (schema === undefined) {
    registerOpenNamespace(namespace);
    return;
  }
  let text: string;
  try {
    text = readFileSync(schema, 'utf8');
  } catch (error) {
    throw fault(auid, `cannot read ${schema}: ${error instanceof Error ? error.message : String(error)}`);
  }
  try {
    registerSchema({ namespace, text, root: { namespace }, uses: usedNamespaces(text, namespace) });
  } catch (error) {
    throw fault(auid, `${schema}: ${firstError(error)}`);
  }
}

/** The first line of the validator's complaints that is no mere warning. */
function firstError(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split('\n');
  return lines.find((line) => !line.includes('Skipping import of schema')) ?? lines[0] ?? '';
}

const XSD = 'http://www.w3.org/2001/XMLSchema';
const XML = 'http://www.w3.org/XML/1998/namespace';

/** The namespaces that a schema imports. Throws Error for what is no schema of the namespace, or needs what there is not. */
function usedNamespaces(text: string, namespace: string): string[] {
  let root: XmlElement;
  try {
    root = parseXml(text).root;
  } catch (error) {
    throw error instanceof XmlError ? new Error(`not well-formed XML: ${error.message}`) : error;
  }
  if (root.uri !== XSD || root.local !== 'schema') throw new Error('the root element is not that of an XML Schema');
  const target = attribute(root, 'targetNamespace') ?? '';
  if (target !== namespace) throw new Error(`its targetNamespace is "${target}", not "${namespace}"`);
  const used: string[] = [];
  for (const element of root.elements) {
    if (element.uri !== XSD) continue;
    if (element.local === 'include' || element.local === 'redefine') throw new Error(`<${element.local}> of other files is not supported`);
    if (element.local !== 'import') continue;
    const imported = attribute(element, 'namespace') ?? '';
    if (imported === XML) continue;
    if (!schemaFor(imported)) throw new Error(`it imports the namespace "${imported}", of which there is no schema here`);
    used.push(imported);
  }
  return used;
}

function fault(auid: string, reason: string): ConfigError {
  return new ConfigError(`usages: ${auid}: ${reason}`);
}
