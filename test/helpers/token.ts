import { randomBytes } from 'node:crypto';

/** A new random identifier, in hex. */
export const token = (bytes = 8): string => randomBytes(bytes).toString('hex');
