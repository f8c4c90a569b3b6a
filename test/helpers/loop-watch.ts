/** How long a process's event loop was held up: for processes that tests watch from outside. */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

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

/** Watches this process from now on. What is given tells the longest delay in milliseconds since it was asked the last time. */
export function watchLoop(): () => number {
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
  return () => {
    const result = Math.min(delay.max / 1e6 - RESOLUTION, longest);
    delay.reset();
    longest = 0;
    return result;
  };
}
