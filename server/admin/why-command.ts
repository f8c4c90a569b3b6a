import { loadConfig } from '../config.ts';
import type { Surroundings } from '../surroundings.ts';
import { askServer } from './admin-client.ts';
import type { Why, WhyRule } from './why-routes.ts';

export interface WhyFlags {
  readonly data?: string;
  readonly config?: string;
  readonly package?: string;
  readonly alias?: readonly string[];
  readonly json?: boolean;
}

/** `why`: asks the running server what the watcher may see of the presentity, and prints which rules make it so. */
export async function explainWhy(watcher: string, presentity: string, flags: WhyFlags, { environment, out }: Surroundings): Promise<void> {
  const { dataDirectory } = loadConfig({ flags: { data: flags.data, config: flags.config }, environment });
  const query = new URLSearchParams({ watcher, presentity, package: flags.package ?? 'presence' });
  for (const alias of flags.alias ?? []) query.append('alias', alias);
  const why = (await askServer(dataDirectory, 'GET', `/why?${query}`)) as Why;
  out(flags.json ? JSON.stringify(why, null, 2) : describe(why).join('\n'));
}

function describe(why: Why): string[] {
  const { decision, because, until, sphere, documents, unreadable, rules, omittedRules, grants, subscriptions, sees } = why;
  const lines = [`${why.watcher} -> ${why.presentity}, ${why.package}: ${decision}`, `because: ${because}`];
  if (until !== undefined) lines.push(`until: ${until} at the latest, when a rule begins or ceases to hold`);
  lines.push(`sphere: ${sphere ?? 'not known'}`);
  lines.push(`grants: ${grants.length === 0 ? 'nothing' : grants.join(', ')}`);
  lines.push(`documents: ${documents.length === 0 ? 'none' : documents.join(', ')}`);
  if (unreadable.length > 0) lines.push(`cannot be read: ${unreadable.join(', ')}`);
  for (const rule of rules) lines.push(...describeRule(rule));
  if (omittedRules > 0) lines.push(`and ${omittedRules} more rules`);
  for (const { status, since, ends } of subscriptions) {
    lines.push(`subscription: ${status} since ${since}${ends === undefined ? '' : `, ends ${ends}`}`);
  }
  if (subscriptions.length === 0) lines.push('subscription: none');
  lines.push(sees === undefined ? 'sees: nothing' : `sees (${sees.contentType}):`);
  if (sees !== undefined) lines.push(sees.body.trimEnd());
  return lines;
}

function describeRule({ document, id, holds, conditions, handling, grants }: WhyRule): string[] {
  const lines = [`rule ${id} of ${document}: ${holds ? 'holds' : 'does not hold'}`];
  if (conditions.length === 0) lines.push('  no conditions: for everyone');
  for (const one of conditions)
    lines.push(`  ${one.holds ? 'yes' : 'no '} ${one.condition}${one.because === undefined ? '' : ` (${one.because})`}`);
  lines.push(`  ${handling ?? 'no sub-handling'}${grants.length === 0 ? '' : `; ${grants.join(', ')}`}`);
  return lines;
}
