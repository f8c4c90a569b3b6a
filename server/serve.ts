import { randomBytes } from 'node:crypto';
import type { Config } from './config-keys.ts';
import { createLogger, type Logger } from './logger.ts';
import { type RunningRollcall, startRollcall } from './server.ts';
import { warmUp } from './warm-up/warm-up.ts';

/**
 * Runs the server in the foreground: prints one line per listener and then `ready`, and resolves once a signal has stopped it. SIGHUP
 * makes it read its certificate again. Where it is to warm up, it prints `warm` when it has, while it serves.
 * @param out prints one line on standard output
 */
export async function serve(config: Config, out: (line: string) => void): Promise<void> {
  const logger = createLogger(config.logLevel);
  const stopped = firstSignal();
  const rollcall = await startRollcall(config, { logger });
  announceFirstAdmin(rollcall, out);
  for (const { address, port, secure } of rollcall.http) {
    for (const root of config.xcapRoots) out(`XCAP   ${secure ? 'https' : 'http'}://${authority(address, port)}${root}`);
  }
  for (const { protocol, address, port } of rollcall.sip) out(`SIP    ${protocol.toLowerCase()} ${authority(address, port)}`);
  const reload = () => rollcall.reload();
  process.on('SIGHUP', reload);
  out('ready');
  const warmUpEnd = new AbortController();
  const warm = config.warmUp === 'yes' ? rehearse(config, warmUpEnd.signal, logger, out) : undefined;
  logger.info({ signal: await stopped }, 'stopping');
  warmUpEnd.abort();
  await Promise.all([rollcall.stop(), warm]);
  process.off('SIGHUP', reload);
  logger.info({}, 'stopped');
  logger.flush();
}

/** Nothing depends on it: why it could not be is told in the log. */
async function rehearse(config: Config, stopped: AbortSignal, log: Logger, out: (line: string) => void): Promise<void> {
  const started = performance.now();
  try {
    const rounds = await warmUp(config, stopped);
    log.info({ rounds, milliseconds: Math.round(performance.now() - started) }, 'warmed up');
    if (!stopped.aborted) out('warm');
  } catch (error) {
    log.warn({ err: error }, 'not warmed up');
  }
}

/** Without any account nobody could make the first one over HTTP; the password is shown here and kept nowhere. */
function announceFirstAdmin({ config, accounts }: RunningRollcall, out: (line: string) => void): void {
  if (config.auth === 'none' || !accounts.isEmpty()) return;
  const address = `sip:admin@${config.domains[0] ?? 'localhost'}`;
  const password = randomBytes(12).toString('base64url');
  accounts.add(address, password, true);
  out(`admin  user admin (${address}), password ${password} (shown only this once)`);
}

function authority(address: string, port: number): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** A second signal finds no listener any more and ends the process at once. */
function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const stop = (signal: NodeJS.Signals) => {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      resolve(signal);
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}
