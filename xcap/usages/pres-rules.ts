import type { ApplicationUsage } from '../application-usage.ts';
import { repeatableRules } from './rule-constraints.ts';

const COMMON_POLICY = 'urn:ietf:params:xml:ns:common-policy';
const PRES_RULES = 'urn:ietf:params:xml:ns:pres-rules';

/**
 * Presence authorization rules (RFC 5025 9): who sees how much of a presentity. The documents' root is of common policy, the
 * default document namespace is not (9.3), so a node selector needs a prefix for all but the presence parts.
 */
export const presRules: ApplicationUsage = {
  auid: 'pres-rules',
  defaultNamespace: PRES_RULES,
  contentType: 'application/auth-policy+xml',
  schema: PRES_RULES,
  repeatable: repeatableRules,
  namespaces: [COMMON_POLICY, PRES_RULES],
};
