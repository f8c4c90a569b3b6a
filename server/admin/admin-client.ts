import { request } from 'node:http';
import { ADMIN_ROOT, adminSocketPath } from './admin-address.ts';

/** A running server could not do what a command asked of it; the message is one line for the admin. */
export class AdminError extends Error {
  override readonly name = 'AdminError';
}

const TIMEOUT = 10_000;

/**
 * Asks the server that runs on the data directory.
 * @param path below `/admin`, escaped
 * @returns what the answer's JSON says; undefined when there is none
 * @throws AdminError when no server runs there or it refuses
 */
export function askServer(dataDirectory: string, method: 'GET' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
  const socketPath = adminSocketPath(dataDirectory);
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = { ...(text === '' ? {} : { 'content-type': 'application/json' }), 'content-length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path: ADMIN_ROOT + path, headers, timeout: TIMEOUT, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', (error) => reject(new AdminError(error.message)));
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        const answer = readAnswer(Buffer.concat(chunks).toString('utf8'));
        if (status < 300) resolve(answer);
        else reject(new AdminError(refusalOf(answer) ?? `the server answered ${status}`));
      });
    });
    asked.on('timeout', () => asked.destroy(new Error('the server does not answer')));
    asked.on('error', (error) => reject(new AdminError(`no server answers at ${socketPath}: ${error.message}`)));
    asked.end(text);
  });
}

function readAnswer(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusalOf(answer: unknown): string | undefined {
  return typeof answer === 'object' && answer !== null && 'error' in answer ? String(answer.error) : undefined;
}
