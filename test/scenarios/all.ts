import { singlePresence } from './01-single-presence.ts';
import { pageMode } from './02-page-mode.ts';
import { buddyList } from './03-buddy-list.ts';
import { buddyPublishes } from './04-buddy-publishes.ts';
import { refresh } from './05-refresh.ts';
import { unsubscribe } from './06-unsubscribe.ts';
import { addBuddy } from './07-add-buddy.ts';
import { approve } from './08-approve.ts';
import { defaultDecision } from './09-default-decision.ts';
import { reject } from './10-reject.ts';
import { presentityWasOffline } from './11-presentity-was-offline.ts';
import { publishLifeCycle } from './12-publish-life-cycle.ts';
import { removeBuddy } from './13-remove-buddy.ts';
import { blockList } from './14-block-list.ts';
import { messageThroughProxy } from './15-message-through-proxy.ts';
import { sessionMode } from './16-session-mode.ts';
import { register } from './17-register.ts';
import { callForwarding } from './18-call-forwarding.ts';
import { forking } from './19-forking.ts';
import { loops } from './20-loops.ts';
import { cancel } from './21-cancel.ts';
import { options } from './22-options.ts';
import { untouched } from './23-untouched.ts';
import { messageSummary } from './24-message-summary.ts';
import { offlineMessage } from './25-offline-message.ts';
import { cpimAndSize } from './26-cpim-and-size.ts';
import { isComposing } from './27-is-composing.ts';
import type { Scenario } from './stage.ts';

/** The scenarios, in order. */
export const SCENARIOS: readonly Scenario[] = [
  singlePresence,
  pageMode,
  buddyList,
  buddyPublishes,
  refresh,
  unsubscribe,
  addBuddy,
  approve,
  defaultDecision,
  reject,
  presentityWasOffline,
  publishLifeCycle,
  removeBuddy,
  blockList,
  messageThroughProxy,
  sessionMode,
  register,
  callForwarding,
  forking,
  loops,
  cancel,
  options,
  untouched,
  messageSummary,
  offlineMessage,
  cpimAndSize,
  isComposing,
];
