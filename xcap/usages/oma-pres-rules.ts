import { COMMON_POLICY, COMMON_POLICY_TYPE, OMA_COMMON_POLICY } from '../../schemas/common-policy.ts';
import { OMA_PRES_RULES } from '../../schemas/oma-presence.ts';
import { PRES_RULES } from '../../schemas/pres-rules.ts';
import type { ApplicationUsage } from '../application-usage.ts';
import { repeatableRules } from './rule-constraints.ts';

/**
 * Presence rules as OMA Presence SIMPLE XDM has them: those of `pres-rules` with OMA's conditions and transformations, and with
 * common policy as the namespace of unprefixed steps. The presence policy takes them together with the user's `pres-rules`.
 */
export const omaPresRules: ApplicationUsage = {
  auid: 'org.openmobilealliance.pres-rules',
  defaultNamespace: COMMON_POLICY,
  contentType: COMMON_POLICY_TYPE,
  schema: OMA_PRES_RULES,
  repeatable: repeatableRules,
  namespaces: [COMMON_POLICY, PRES_RULES, OMA_COMMON_POLICY, OMA_PRES_RULES],
};
