// The whole server in a process of its own, which tells how long its event loop was held up; see `watched-server`.
import type { Config } from '../../server/config.ts';
import { watchLoop } from './loop-watch.ts';
import { startServer } from './server.ts';
import type { WatchedAnswer, WatchedQuestion } from './watched-server.ts';

const answer = (message: WatchedAnswer): void => void process.send?.(message);

const server = await startServer(JSON.parse(process.argv[2] ?? '{}') as Partial<Config>);
const longestDelay = watchLoop();

process.on('message', (question: WatchedQuestion) => {
  switch (question.ask) {
    case 'delay':
      return answer({ delay: longestDelay() });
    case 'user':
      return void (question.admin ? server.addAdmin : server.addUser)?.(question.user, question.password).then(() => answer({}));
    case 'stop':
      return void server.stop().then(() => process.disconnect());
  }
});
answer({ sip: server.sip, http: server.http, root: server.root, domain: server.domain });
