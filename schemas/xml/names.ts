/** Names that are met again and again; what a hostile document invents beyond them stays as it is. */
const LIMIT = 2000;
const LONGEST = 200;

const names: Record<string, string> = Object.create(null);
let count = 0;

/**
 * The same name as one string for the whole process. A name cut out of a text is compared with another character by character, and
 * slowly so; two names from here are equal or not by their identity alone.
 */
export function interned(name: string): string {
  const known = names[name];
  if (known !== undefined) return known;
  if (count >= LIMIT || name.length > LONGEST) return name;
  count++;
  // The keys of objects are what the engine keeps once. A copy of its own does not keep the text alive which it was cut out of.
  for (const own of Object.keys({ [Buffer.from(name).toString()]: true })) names[own] = own;
  return names[name] ?? name;
}
