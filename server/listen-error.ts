/** An endpoint cannot be listened on: its port is taken, its address not here, or the port not for this user. One line for an admin. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine does not have the address',
  EACCES: 'this user may not use the port',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name cannot be looked up',
};

/** Turns the system's refusal to listen into a ListenError; any other error comes back as it is. */
export function listenError(protocol: string, endpoints: readonly { host: string; port: number }[], error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = REASONS[code];
  if (reason === undefined) return error;
  const refused = error as { address?: unknown; port?: unknown };
  const named = endpoints.find(({ host, port }) => host === refused.address && port === refused.port) ?? endpoints[0];
  const { host, port } = named ?? { host: '?', port: 0 };
  return new ListenError(`cannot listen for ${protocol} on ${host.includes(':') ? `[${host}]` : host}:${port}: ${reason}`);
}
