import { destination, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Whatever is logged under these names proves a user's identity, or helps to guess a password. */
const SECRETS = ['authorization', 'proxy-authorization', 'password', 'ha1'];

/**
 * The log of the process: JSON lines on standard error, which leaves standard output to what commands print.
 * @param level a pino level, or `silent`
 */
export function createLogger(level: string): Logger {
  const paths = SECRETS.flatMap((name) => [`["${name}"]`, `headers["${name}"]`]);
  return pino({ level, base: null, redact: { paths, censor: '***' } }, destination({ fd: 2, sync: false }));
}
