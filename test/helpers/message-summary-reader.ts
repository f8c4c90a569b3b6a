/** A message summary as a subscriber reads it: strictly by the grammar of RFC 3842 5.2, apart from the server's own reading. */
export interface ReadSummary {
  readonly waiting: boolean;
  readonly account: string | undefined;
  /** As written, by the field's name. */
  readonly lines: Readonly<Record<string, string>>;
}

const MAX = 4_294_967_295n;

/** Throws an Error that says what is wrong. */
export function readMessageSummary(body: string): ReadSummary {
  if (!body.endsWith('\r\n')) throw new Error('the last line does not end in CRLF');
  const lines = body.slice(0, -2).split('\r\n');
  if (lines.some((line) => /[\r\n]/.test(line))) throw new Error('a line ends in something else than CRLF');
  const [status = '', ...others] = lines;
  const waiting = /^messages-waiting\s*:\s*(yes|no)$/i.exec(status)?.[1]?.toLowerCase();
  if (waiting === undefined) throw new Error(`the first line is "${status}"`);
  const account = /^message-account\s*:\s*(\S+)$/i.exec(others[0] ?? '')?.[1];
  if (account !== undefined && !/^[a-z][a-z0-9+.-]*:[^<>"\s]+$/i.test(account)) throw new Error(`the account is "${account}"`);
  const counts: Record<string, string> = {};
  for (const line of account === undefined ? others : others.slice(1)) {
    const [, name, value = ''] = /^((?:voice|fax|pager|multimedia|text)-message|none)\s*:\s*(.*)$/i.exec(line) ?? [];
    if (name === undefined) throw new Error(`"${line}" counts no messages`);
    const numbers = /^(\d+)\s*\/\s*(\d+)(?:\s*\(\s*(\d+)\s*\/\s*(\d+)\s*\))?$/.exec(value)?.slice(1);
    if (!numbers) throw new Error(`"${value}" is no count`);
    if (numbers.some((number) => number !== undefined && BigInt(number) > MAX)) throw new Error(`${value} is more than there can be`);
    if (counts[name] !== undefined) throw new Error(`${name} is counted twice`);
    counts[name] = value;
  }
  return { waiting: waiting === 'yes', account, lines: counts };
}
