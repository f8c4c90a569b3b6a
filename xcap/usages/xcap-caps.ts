import { createHash } from 'node:crypto';
import { writeXcapCaps, XCAP_CAPS, XCAP_CAPS_TYPE } from '../../schemas/xcap-caps.ts';
import type { ApplicationUsage } from '../application-usage.ts';
import type { StoredDocument } from '../document-store.ts';

/** The server's capabilities (RFC 4825 12): one document in the global tree, made from the usages there are. */
export function xcapCaps(others: readonly ApplicationUsage[]): ApplicationUsage {
  const usage: ApplicationUsage = {
    auid: 'xcap-caps',
    defaultNamespace: XCAP_CAPS,
    contentType: XCAP_CAPS_TYPE,
    schema: XCAP_CAPS,
    namespaces: [XCAP_CAPS],
    isStored: () => false,
    generated: ({ xui, name }) => (xui === undefined && name === 'index' ? index : undefined),
  };
  const index = capabilities([usage, ...others]);
  return usage;
}

function capabilities(usages: readonly ApplicationUsage[]): StoredDocument {
  const text = writeXcapCaps({
    auids: usages.map((usage) => usage.auid),
    extensions: [],
    namespaces: [...new Set(usages.flatMap((usage) => usage.namespaces))],
  });
  const etag = createHash('sha256').update(text).digest('base64url').slice(0, 22);
  return { key: { auid: 'xcap-caps', xui: undefined, name: 'index' }, etag, text, modified: Date.now() };
}
