import { ATTRIBUTE_PERMISSIONS, type Permissions, type Provided } from '../../schemas/pres-rules.ts';

/** Members of a set that are named one by one. */
const NAMED = 10;

/** What is granted, in the words of RFC 5025: `services: class home`, `mood`, `all attributes`. Empty: nothing. */
export function describePermissions(permissions: Permissions): string[] {
  const { provideServices, providePersons, provideDevices, provideAllAttributes, provideUserInput, provideUnknownAttributes } = permissions;
  const grants = [...describeSet('services', provideServices), ...describeSet('persons', providePersons)];
  grants.push(...describeSet('devices', provideDevices));
  if (provideAllAttributes) return [...grants, 'all attributes'];
  for (const [element, permission] of Object.entries(ATTRIBUTE_PERMISSIONS)) {
    if (permissions[permission]) grants.push(element.slice('provide-'.length));
  }
  if (provideUserInput !== 'false') grants.push(`user-input ${provideUserInput}`);
  grants.push(...provideUnknownAttributes.slice(0, NAMED).map(({ namespace, name }) => `${name} of ${namespace}`));
  return withRest(grants, provideUnknownAttributes.length, 'attributes');
}

function describeSet(noun: string, set: Provided): string[] {
  if (set === 'all') return [`all ${noun}`];
  const named = set.slice(0, NAMED).map(({ kind, value }) => `${noun}: ${kind} ${value}`);
  return withRest(named, set.length, noun);
}

function withRest(grants: string[], count: number, noun: string): string[] {
  if (count > NAMED) grants.push(`and ${count - NAMED} more ${noun}`);
  return grants;
}
