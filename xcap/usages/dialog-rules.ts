import { COMMON_POLICY, COMMON_POLICY_TYPE } from '../../schemas/common-policy.ts';
import type { ApplicationUsage } from '../application-usage.ts';
import { repeatableRules } from './rule-constraints.ts';

const DIALOG_RULES = 'http://openxcap.org/ns/dialog-rules';

/**
 * Who may watch a user's dialogs: rules of common policy with the action that Blink and OpenXCAP define for them, which says what
 * `sub-handling` says in presence rules. The event package `dialog` acts on them.
 */
export const dialogRules: ApplicationUsage = {
  auid: 'org.openxcap.dialog-rules',
  defaultNamespace: DIALOG_RULES,
  contentType: COMMON_POLICY_TYPE,
  schema: DIALOG_RULES,
  repeatable: repeatableRules,
  namespaces: [COMMON_POLICY, DIALOG_RULES],
};
