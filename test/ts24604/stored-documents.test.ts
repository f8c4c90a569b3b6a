import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteDocumentStore } from '../../server/storage/sqlite/documents.ts';
import { CallPolicies } from '../../sip/services/call-policy.ts';
import { LogLines } from '../helpers/log-lines.ts';
import { callRule, diversionDocument, forwardTo } from '../scenarios/documents.ts';

const BOB = 'sip:bob@example.com';
const key = { auid: 'simservs.ngn.etsi.org', xui: BOB, name: 'simservs.xml' };
const log = new LogLines();
let directory: string;
let documents: SqliteDocumentStore;
let policies: CallPolicies;
let etag: string | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rollcall-simservs-'));
  documents = new SqliteDocumentStore(join(directory, 'documents.db'), log.logger);
  policies = new CallPolicies(documents, () => [], log.logger);
  documents.onChange((change) => policies.changed(change));
  etag = undefined;
});
afterEach(async () => {
  documents.close();
  await rm(directory, { recursive: true, force: true });
});

async function write(text: string | undefined): Promise<void> {
  const change = await documents.write({ key, expected: etag, text });
  if (change === 'stale') throw new Error('somebody else writes');
  etag = change.newEtag;
}

const diverting = (target: string): string => diversionDocument(callRule('r', '', forwardTo(target)));
const target = (): string | undefined => policies.get(BOB)?.diversion?.candidates('')[1][0]?.target.uri;

describe('TS 24.623: documents in the store', () => {
  it('are no services, and no failure, where they cannot be read', async () => {
    for (const text of ['', '<simservs', '<other/>', '<simservs/>', '\u0000', '<a>'.repeat(5000)]) {
      await write(text);
      await policies.ready(BOB);
      expect(policies.get(BOB)).toMatchObject({ diversion: undefined, incoming: [], outgoing: [] });
    }
    expect(log.of('call services that cannot be read')).toHaveLength(6);
  });

  it('are forgotten with each change, also one that comes while they are read', async () => {
    await write(diverting('sip:a@example.com'));
    await policies.ready(BOB);
    expect(target()).toBe('sip:a@example.com');
    expect(policies.ready(BOB)).toBeUndefined();
    await write(diverting('sip:b@example.com'));
    expect(policies.get(BOB)).toBeUndefined();
    const reading = policies.ready(BOB);
    await write(diverting('sip:c@example.com'));
    await reading;
    await policies.ready(BOB);
    expect(target()).toBe('sip:c@example.com');
    await write(undefined);
    await policies.ready(BOB);
    expect(policies.get(BOB)?.diversion).toBeUndefined();
  });

  it('of others change nothing', async () => {
    await write(diverting('sip:a@example.com'));
    await policies.ready(BOB);
    const policy = policies.get(BOB);
    await documents.write({ key: { ...key, xui: 'sip:carol@example.com' }, expected: undefined, text: diverting('sip:x@example.com') });
    await documents.write({ key: { ...key, auid: 'resource-lists' }, expected: undefined, text: '<resource-lists/>' });
    expect(policies.get(BOB)).toBe(policy);
  });
});
