// An XCAP server that tells how long its event loop was held up: the process that the tests of hostile documents watch from outside.
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { XcapServer } from './xcap-server.ts';

/** Milliseconds between two looks at the clock. */
const RESOLUTION = 1;
/** Of the kernel's count of a thread's time, in milliseconds. */
const TICK = 10;

/** Milliseconds of CPU time that the main thread has had; undefined where no /proc tells. */
function mainThreadTime(): number | undefined {
  try {
    // Behind the command's name, in brackets, the times in user and kernel mode are the 12th and 13th fields.
    const fields = readFileSync(`/proc/self/task/${process.pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK;
  } catch {
    return undefined;
  }
}

const server = await XcapServer.start();
const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
delay.enable();

// While other processes want the CPU, the loop stands still for their sake as well: that is no fault of what it does.
let longest = 0;
let last = performance.now();
let lastTime = mainThreadTime();
setInterval(() => {
  const now = performance.now();
  const time = mainThreadTime();
  const own = time === undefined || lastTime === undefined ? Number.POSITIVE_INFINITY : time - lastTime;
  longest = Math.max(longest, Math.min(now - last - RESOLUTION, own));
  last = now;
  lastTime = time;
}, RESOLUTION).unref();

process.on('message', (message) => {
  if (message === 'stop') {
    void server.stop().then(() => process.disconnect());
    return;
  }
  // The longest delay in milliseconds since the last time it was asked for.
  process.send?.(Math.min(delay.max / 1e6 - RESOLUTION, longest));
  delay.reset();
  longest = 0;
});
process.send?.({ port: server.port });
