// An XCAP server that tells how long its event loop was held up: the process that the tests of hostile documents watch from outside.
import { watchLoop } from '../helpers/loop-watch.ts';
import { XcapServer } from './xcap-server.ts';

const server = await XcapServer.start();
const longestDelay = watchLoop();

process.on('message', (message) => {
  if (message === 'stop') {
    void server.stop().then(() => process.disconnect());
    return;
  }
  process.send?.(longestDelay());
});
process.send?.({ port: server.port });
