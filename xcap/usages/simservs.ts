import { COMMON_POLICY, OMA_COMMON_POLICY } from '../../schemas/common-policy.ts';
import { SIMSERVS } from '../../schemas/simservs.ts';
import type { ApplicationUsage } from '../application-usage.ts';

/**
 * A user's telephony services as IMS handsets set them over Ut (3GPP TS 24.623): communication diversion (TS 24.604), barring (TS 24.611),
 * waiting and the presentation of identities. Handsets name the document `simservs.xml`.
 */
export const simservs: ApplicationUsage = {
  auid: 'simservs.ngn.etsi.org',
  defaultNamespace: SIMSERVS,
  contentType: 'application/vnd.etsi.simservs+xml',
  schema: SIMSERVS,
  namespaces: [SIMSERVS, COMMON_POLICY, OMA_COMMON_POLICY],
};
