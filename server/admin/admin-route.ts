/** What an admin may ask for over HTTP below `/admin`: a route is one row of a list, and knows neither who asks nor how. */
import type { Logger } from '../logger.ts';

export interface AdminRoute {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** Below `/admin`, with parameters as Fastify has them: `/mailboxes/:user`. */
  readonly path: string;
  /** Throws AdminRefusal. */
  answer(request: AdminRequest): AdminAnswer | Promise<AdminAnswer>;
}

export interface AdminRequest {
  /** The path's parameters, decoded. */
  readonly parameters: Readonly<Record<string, string | undefined>>;
  readonly query: URLSearchParams;
  /** What the JSON of the body says; undefined without a body. */
  readonly body: unknown;
  readonly log: Logger;
}

export interface AdminAnswer {
  readonly status: 200 | 204;
  /** Sent as JSON. */
  readonly body?: unknown;
}

/** A request that cannot be answered as asked; the message is for the admin. */
export class AdminRefusal extends Error {
  override readonly name = 'AdminRefusal';
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 415 | 429;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;

  constructor(status: AdminRefusal['status'], message: string, headers: AdminRefusal['headers'] = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}
