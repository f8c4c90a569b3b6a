import { Command, CommanderError, Option } from 'commander';
import { stringify } from 'yaml';
import { AccountError } from './accounts/account-store.ts';
import { AdminError } from './admin/admin-client.ts';
import { clearMailbox, setMailbox, showMailbox } from './admin/mailbox-commands.ts';
import { dropMessages, listMessages } from './admin/message-commands.ts';
import { endSubscriptions, listSubscriptions } from './admin/subscription-commands.ts';
import { explainWhy } from './admin/why-command.ts';
import { ConfigError, loadConfig } from './config.ts';
import { CONFIG_KEYS, type Config, environmentName } from './config-keys.ts';
import type { Endpoint } from './endpoint-setting.ts';
import { ListenError } from './listen-error.ts';
import { StorageError } from './storage/sqlite/database.ts';
import type { Surroundings } from './surroundings.ts';
import { usageMapping } from './usage-setting.ts';
import { addUser, changePassword, listUsers, removeUser } from './user-commands.ts';
import { readVersion } from './version.ts';

/**
 * Runs one command line (without the program's name) to its end and resolves with the exit code: 0, 1 when the command could not do
 * what it was asked, 2 when what was asked is wrong (a key, a port, a file) and one line on standard error says so.
 */
export async function runCommandLine(words: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    await program(surroundings).parseAsync(words, { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has printed its own line, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const known = error instanceof ConfigError || error instanceof StorageError || error instanceof ListenError;
    if (known || error instanceof AccountError || error instanceof AdminError) {
      surroundings.err(`rollcall: ${error.message.replace(/\s*\n\s*/g, ' ')}`);
      return known ? 2 : 1;
    }
    throw error;
  }
}

function program(surroundings: Surroundings): Command {
  const { environment, out } = surroundings;
  const root = new Command('rollcall')
    .description('XCAP server and SIP presence backend in one process')
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({ writeOut: (text) => out(text.replace(/\n$/, '')), writeErr: (text) => surroundings.err(text.replace(/\n$/, '')) })
    .addHelpText('after', () => variablesHelp());

  settingOptions(root.command('serve').description('run the server until it is told to stop')).action(async (flags) => {
    const config = loadConfig({ flags: byName(flags), environment });
    // Loaded only here: the other commands need none of the server, and are back at once without it.
    const { serve } = await import('./serve.ts');
    await serve(config, out);
  });
  settingOptions(root.command('check-config').description('check the settings and print them as they would be used')).action(
    async (flags) => {
      const config = loadConfig({ flags: byName(flags), environment });
      const { operatorUsages } = await import('./operator-usages.ts');
      operatorUsages(config.usages);
      out(printable(config).trimEnd());
    },
  );
  root
    .command('version')
    .description('print the version')
    .action(() => out(`rollcall ${readVersion()}`));

  const user = root.command('user').description('manage the accounts, also beside a running server');
  const account = (name: string, description: string) => dataOptions(user.command(name).description(description));
  passwordOptions(
    account('add', 'make an account; without a password option a random one is made and shown').argument('<address>', ADDRESS),
  )
    .option('--admin', 'may change the documents of all users')
    .action((address, flags) => addUser(address, flags, surroundings));
  passwordOptions(account('passwd', 'give an account another password').argument('<address>', ADDRESS)).action((address, flags) =>
    changePassword(address, flags, surroundings),
  );
  account('list', 'print the accounts').action((flags) => listUsers(flags, surroundings));
  account('remove', 'remove an account; the documents of the user stay')
    .argument('<address>', ADDRESS)
    .action((address, flags) => removeUser(address, flags, surroundings));

  const mailboxes = root.command('mailbox').description('ask a running server for, and tell it, what waits in a mailbox');
  const mailbox = (name: string, description: string) =>
    dataOptions(mailboxes.command(name).description(description)).argument('<address>', ADDRESS);
  mailbox('show', "print what the owner's phones are told").action((address, flags) => showMailbox(address, flags, surroundings));
  mailbox('set', 'say what waits, until it is said anew or cleared')
    .argument('[counts...]', 'new and old messages, such as voice-message=2/8, or voice-message=2/8:0/2 with the urgent ones among them')
    .action((address, counts, flags) => setMailbox(address, counts, flags, surroundings));
  mailbox('clear', 'forget what was set').action((address, flags) => clearMailbox(address, flags, surroundings));
  const store = root
    .command('messages')
    .description('ask a running server for messages that wait for users who were not there, and drop them');
  dataOptions(
    store.command('list').description('print for whom messages wait; of one user: from whom, how large, since when and until when'),
  )
    .argument('[address]', ADDRESS)
    .option('--json', 'print the answer as JSON')
    .action((address, flags) => listMessages(address, flags, surroundings));
  dataOptions(store.command('drop').description('drop messages; who has asked to be told of failure is told'))
    .argument('<address>', ADDRESS)
    .argument('[ids...]', 'as `messages list` shows them')
    .option('--all', "all of the user's")
    .action((address, ids, flags) => dropMessages(address, ids, flags, surroundings));
  dataOptions(root.command('why').description('ask a running server what a watcher may see of a user, and which rules make it so'))
    .argument('<watcher>', `${ADDRESS}, of any domain, or anonymous`)
    .argument('<presentity>', ADDRESS)
    .option('--package <NAME>', 'the event package: presence or dialog')
    .option('--alias <URI...>', 'what else a trusted peer may assert the watcher to be')
    .option('--json', 'print the answer as JSON')
    .action((watcher, presentity, flags) => explainWhy(watcher, presentity, flags, surroundings));
  const subscription = root.command('subscription').description('see and end the subscriptions of a running server');
  chosen(subscription.command('list').description('print subscriptions'))
    .option('--json', 'print the answer as JSON')
    .action((flags) => listSubscriptions(flags, surroundings));
  chosen(subscription.command('end').description('end subscriptions, and tell their watchers why'))
    .option('--all', 'all of them')
    .option(
      '--reason <REASON>',
      'deactivated (come back at once), probation (come back later), rejected, or giveup (of those that are pending)',
    )
    .option('--retry-after <SECONDS>', 'with probation and giveup: when to come back')
    .action((flags) => endSubscriptions(flags, surroundings));
  return root;
}

/** Options that say which subscriptions. */
function chosen(command: Command): Command {
  return dataOptions(command)
    .option('--watcher <ADDRESS>', `${ADDRESS}, of any domain`)
    .option('--presentity <ADDRESS>', ADDRESS)
    .option('--package <NAME>', 'the event package, such as presence');
}

const ADDRESS = 'such as alice@example.com, or alice in the default domain';

function settingOptions(command: Command): Command {
  command.addOption(new Option('--config <FILE>', 'YAML file with the same keys'));
  for (const { name, placeholder, list, default: value, meaning } of CONFIG_KEYS) {
    const option = new Option(
      `--${name} <${placeholder}>`,
      `${meaning}${list ? ' (repeatable)' : ''} (default: ${value === '' ? 'none' : value})`,
    );
    if (list) option.argParser((item: string, items: string[] | undefined) => [...(items ?? []), item]);
    command.addOption(option);
  }
  return command;
}

function dataOptions(command: Command): Command {
  return command.option('--data <DIR>', 'directory of the databases').option('--config <FILE>', 'YAML file that names it');
}

function passwordOptions(command: Command): Command {
  return command
    .addOption(new Option('--password <P>', 'the password').conflicts('passwordStdin'))
    .option('--password-stdin', 'read the password from standard input');
}

/** Commander names options in camel case. */
function byName(flags: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const named = Object.entries(flags).map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`), value]);
  return Object.fromEntries(named);
}

function variablesHelp(): string {
  const names = ['config', ...CONFIG_KEYS.map(({ name }) => name)].map(environmentName);
  return `\nVariables that stand for the settings (flags win over them, they win over the file):\n  ${names.join('\n  ')}`;
}

function printable(config: Config): string {
  const endpoint = ({ host, port, secure, transport }: Endpoint) =>
    `${secure ? 'https://' : transport === undefined ? '' : `${transport}://`}${host.includes(':') ? `[${host}]` : host}:${port}`;
  const values = CONFIG_KEYS.map(({ name, field }) => [
    name,
    field === 'http' || field === 'sip'
      ? config[field].map(endpoint)
      : field === 'usages'
        ? config[field].map(usageMapping)
        : config[field],
  ]);
  return stringify(Object.fromEntries(values));
}
