import { COMMON_POLICY, COMMON_POLICY_TYPE } from '../../schemas/common-policy.ts';
import { PRES_RULES } from '../../schemas/pres-rules.ts';
import type { ApplicationUsage } from '../application-usage.ts';

const OMA_PRES_RULES = 'urn:oma:xml:prs:pres-rules';
const OMA_COMMON_POLICY = 'urn:oma:xml:xdm:common-policy';

/**
 * Presence rules as OMA Presence SIMPLE XDM has them: those of `pres-rules` with OMA's conditions and transformations, and with
 * common policy as the namespace of unprefixed steps. The presence policy takes them together with the user's `pres-rules`.
 */
export const omaPresRules: ApplicationUsage = {
  auid: 'org.openmobilealliance.pres-rules',
  defaultNamespace: COMMON_POLICY,
  contentType: COMMON_POLICY_TYPE,
  schema: OMA_PRES_RULES,
  namespaces: [COMMON_POLICY, PRES_RULES, OMA_COMMON_POLICY, OMA_PRES_RULES],
};
