import { readMessageSummary } from '../helpers/message-summary-reader.ts';
import type { Notification } from '../helpers/sip-subscription.ts';
import type { Scenario, Stage } from './stage.ts';

const TYPE = 'application/simple-message-summary';

export const messageSummary: Scenario = {
  number: 24,
  title: 'message-summary: sync, change, refresh, unsubscribe',
  async play(stage) {
    await stage.boot();
    const phone = await stage.peer('alice');
    // The voice mail system logs in as the user whose mailbox it keeps.
    const voicemail = await stage.peer('alice', { name: 'voicemail', transport: 'tcp' });
    const publish = (voice: string, etag?: string) =>
      voicemail.publish(summary(stage, voice), {
        event: 'message-summary',
        contentType: TYPE,
        expires: 3600,
        ...(etag === undefined ? {} : { etag }),
      });
    const first = await publish('2/8 (0/2)');
    stage.equal(first.status, 200, 'the voice mail system publishes two new and eight old messages');

    const subscription = await phone.subscribe(phone.address, { event: 'message-summary', expires: 86_400, accept: [TYPE] });
    stage.equal([subscription.response.status, subscription.granted], [200, 86_400], 'the phone subscribes for a day');
    expectSummary(stage, await subscription.notify(), 'active', '2/8 (0/2)');

    stage.equal((await publish('4/8 (1/2)', first.etag)).status, 200, 'two messages more come in');
    expectSummary(stage, await subscription.notify(), 'active', '4/8 (1/2)');

    stage.equal((await subscription.refresh()).status, 200, 'the phone refreshes its subscription');
    expectSummary(stage, await subscription.notify(), 'active', '4/8 (1/2)');

    stage.equal((await subscription.unsubscribe()).status, 200, 'the phone unsubscribes');
    const last = await subscription.notify();
    expectSummary(stage, last, 'terminated', '4/8 (1/2)');
    stage.equal(last.reason, 'timeout', 'the last NOTIFY says terminated;reason=timeout');
  },
};

function summary(stage: Stage, voice: string): string {
  return `Messages-Waiting: yes\r\nMessage-Account: ${stage.address('alice')}\r\nVoice-Message: ${voice}\r\n`;
}

function expectSummary(stage: Stage, notification: Notification, state: string, voice: string): void {
  const { waiting, account, lines } = readMessageSummary(notification.body);
  stage.equal(notification.state, state, `the subscription is ${state}`);
  stage.equal([waiting, account], [true, stage.address('alice')], "messages wait in alice's account");
  stage.equal(lines, { 'Voice-Message': voice }, `voice messages are ${voice}`);
}
