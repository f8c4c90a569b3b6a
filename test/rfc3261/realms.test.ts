import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CallAgent } from '../helpers/call-agent.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { header, headerLines } from '../helpers/sip-message.ts';

let server: InProcessServer;
const agents: CallAgent[] = [];

beforeEach(async () => {
  server = await startServer({ domains: ['example.com', 'example.org'] });
  for (const domain of ['example.com', 'example.org']) await server.running.accounts.add(`sip:bob@${domain}`, `secret of ${domain}`, false);
});
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.close()));
  await server.stop();
});

async function bobOf(domain: string): Promise<CallAgent> {
  const agent = await CallAgent.open({ user: 'bob', domain, server: server.sip, password: `secret of ${domain}` });
  agents.push(agent);
  await agent.register();
  return agent;
}

describe('RFC 3261 22.1: a server of several domains', () => {
  it.each([
    ['example.org', 'example.com'],
    ['example.com', 'example.org'],
  ])('asks a user of %s who sends to one of %s for the credentials of their own domain', async (own, other) => {
    const [sender, receiver] = [await bobOf(own), await bobOf(other)];
    const asked = sender.request('MESSAGE', receiver.address, { headers: [['Content-Type', 'text/plain']], body: 'hello' });
    (await receiver.take('MESSAGE')).answer(200, { contact: false });
    expect((await asked).status).toBe(200);
    const challenges = sender.transcript.entries.flatMap(({ message }) => (message && header(message, 'proxy-authenticate')) ?? []);
    expect(challenges[0]).toMatch(`realm="${own}"`);
    const subscribed = await sender.request('SUBSCRIBE', receiver.address, {
      headers: [
        ['Event', 'presence'],
        ['Contact', `<${sender.contact}>`],
        ['Expires', '0'],
      ],
    });
    expect(subscribed.status).toBeLessThan(300);
  });

  it('lets who gives no name and asks for somebody elsewhere choose', async () => {
    const agent = await CallAgent.open({ user: 'bob', domain: 'example.org', server: server.sip });
    agents.push(agent);
    const refused = await agent.request('MESSAGE', 'sip:zoe@elsewhere.test', { from: '<sip:anonymous@anonymous.invalid>;tag=1' });
    // RFC 3323 4.1.1.3: it may be one of ours who hides from whoever is called.
    expect(refused.status).toBe(407);
    const realms = headerLines(refused, 'proxy-authenticate').map((value) => /realm="([^"]*)"/.exec(value)?.[1]);
    expect(new Set(realms)).toEqual(new Set(['example.com', 'example.org']));
  });

  it('RFC 3323 4.1.1.3: and takes to another domain who shows, then, to be somebody', async () => {
    const zoe = await CallAgent.open({ user: 'zoe', domain: 'elsewhere.test', server: server.sip });
    const { address, port } = zoe.socket.local;
    const one = await startServer({ nextHops: [{ domain: 'elsewhere.test', uri: `sip:${address}:${port}` }] });
    await one.addUser('bob', 'secret');
    const bob = await CallAgent.open({ user: 'bob', domain: 'example.com', server: one.sip, password: 'secret' });
    agents.push(zoe, bob);
    const from = '<sip:anonymous@anonymous.invalid>;tag=1';
    const asked = bob.request('MESSAGE', zoe.address, { from, headers: [['Content-Type', 'text/plain']], body: 'hello' });
    const { message } = await Promise.race([zoe.take('MESSAGE'), asked.then(({ status }) => Promise.reject(new Error(`${status}`)))]);
    expect(message.raw.toString()).not.toMatch(/sip:bob/);
    agents.splice(0);
    await Promise.all([bob.close(), zoe.close(), one.stop()]);
  });

  it('asks who is from nowhere here for those of the domain that is asked for', async () => {
    const agent = await CallAgent.open({ user: 'zoe', domain: 'elsewhere.test', server: server.sip });
    agents.push(agent);
    const refused = await agent.request('PUBLISH', 'sip:bob@example.org');
    expect(header(refused, 'www-authenticate')).toMatch('realm="example.org"');
  });
});
