import type { Config } from '../../server/config.ts';
import { FarNotifier } from '../helpers/far-notifier.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { Stage } from '../scenarios/stage.ts';

/** A server whose lists have members in far.test, the notifier of that domain played by hand, and a watcher A. */
export interface FarStage {
  readonly stage: Stage;
  readonly far: FarNotifier;
  readonly a: SipPeer;
  close(): Promise<void>;
}

export async function openFarStage(settings: Partial<Config> = {}): Promise<FarStage> {
  const stage = new Stage();
  const far = await FarNotifier.open();
  const uri = `sip:127.0.0.1:${far.address.port};transport=udp`;
  await stage.boot({ defaultDecision: 'allow', listInterval: 0, nextHops: [{ domain: 'far.test', uri }], ...settings });
  const a = await stage.peer('A', { transport: 'tcp' });
  const close = async (): Promise<void> => {
    await stage.close();
    await far.close();
  };
  return { stage, far, a, close };
}
