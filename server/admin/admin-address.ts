import { join } from 'node:path';

/** Where admins ask: all routes stand below this path. */
export const ADMIN_ROOT = '/admin';

/** The Unix socket on which the server of a data directory answers commands. */
export function adminSocketPath(dataDirectory: string): string {
  return join(dataDirectory, 'admin.sock');
}
