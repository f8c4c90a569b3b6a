import { readFileSync } from 'node:fs';
import { parse as parseYaml, YAMLParseError } from 'yaml';
import { CONFIG_KEYS, type Config, type ConfigKey, environmentName } from './config-keys.ts';

export type { Config } from './config-keys.ts';
export type { Endpoint } from './endpoint-setting.ts';

/** A setting is wrong; the message is one line that names it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Completes settings given in code with the defaults, and checks them; throws ConfigError. */
export function resolveConfig(partial: Partial<Config> = {}): Config {
  const values = new Map<string, unknown>();
  for (const [field, value] of Object.entries(partial)) {
    const key = CONFIG_KEYS.find((candidate) => candidate.field === field);
    if (!key) throw new ConfigError(`${field} is no setting`);
    if (value !== undefined) values.set(key.name, readValue(key, value, key.field));
  }
  return complete(values);
}

/** Where the settings of a command come from, the strongest first. */
export interface ConfigSources {
  /** Values of the command line by name of the key; lists for keys that may be repeated. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** The environment; its `ROLLCALL_*` variables count. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * The settings of a command: flags win over `ROLLCALL_*` variables, which win over the YAML file named by `--config` or
 * `ROLLCALL_CONFIG`, which wins over the defaults. Throws ConfigError for the first thing that is wrong.
 */
export function loadConfig({ flags, environment }: ConfigSources): Config {
  const values = new Map<string, unknown>();
  const file = flags.config ?? environment[environmentName('config')];
  if (flags.config === '') throw new ConfigError('--config needs the name of a file');
  if (typeof file === 'string' && file !== '') readFile(file, values);

  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith('ROLLCALL_') || variable === environmentName('config') || text === undefined) continue;
    const key = CONFIG_KEYS.find(({ name }) => environmentName(name) === variable);
    if (!key) throw new ConfigError(`${variable} is no setting`);
    if (text.trim() === '') continue;
    values.set(key.name, readValue(key, key.list ? text.split(/[\s,]+/).filter((item) => item !== '') : text.trim(), variable));
  }

  for (const key of CONFIG_KEYS) {
    const value = flags[key.name];
    if (value !== undefined) values.set(key.name, readValue(key, value, `--${key.name}`));
  }
  return complete(values);
}

function readFile(file: string, values: Map<string, unknown>): void {
  let content: unknown;
  try {
    content = parseYaml(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof YAMLParseError) throw new ConfigError(`${file}: ${(error.message.split('\n')[0] ?? '').replace(/:$/, '')}`);
    throw new ConfigError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (content === null || content === undefined) return;
  if (typeof content !== 'object' || Array.isArray(content))
    throw new ConfigError(`${file}: the file must hold settings, one "key: value" each`);
  for (const [name, value] of Object.entries(content)) {
    const key = CONFIG_KEYS.find((candidate) => candidate.name === name);
    if (!key) throw new ConfigError(`${file}: ${name} is no setting`);
    if (value !== null && value !== undefined) values.set(name, readValue(key, value, `${file}: ${name}`));
  }
}

function readValue(key: ConfigKey, value: unknown, source: string): unknown {
  try {
    if (!key.list) return value === '' && key.default === '' ? value : key.read(value);
    const items = Array.isArray(value) ? value : value === '' && key.default === '' ? [] : [value];
    if (items.length === 0 && key.default !== '') throw new ConfigError('at least one is needed');
    const read = items.map((item) => key.read(item));
    return read.filter((item, index) => typeof item !== 'string' || read.indexOf(item) === index);
  } catch (error) {
    throw new ConfigError(`${source}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function complete(values: ReadonlyMap<string, unknown>): Config {
  const config: Record<string, unknown> = {};
  for (const key of CONFIG_KEYS) {
    const unset = key.list && key.default === '' ? [] : key.default;
    config[key.field] = Object.freeze(values.get(key.name) ?? readValue(key, unset, key.name));
  }
  // Every field is one key's, read by that key's own check.
  const checked = Object.freeze(config) as unknown as Config;
  const withCertificate = checked.tlsCertificate !== '' && checked.tlsKey !== '';
  if (!withCertificate) {
    if (checked.http.some(({ secure }) => secure)) throw new ConfigError('http: an https endpoint needs tls-cert and tls-key');
    const secure = checked.sip.find(({ transport }) => transport === 'tls' || transport === 'wss');
    if (secure) throw new ConfigError(`sip: a ${secure.transport} endpoint needs tls-cert and tls-key`);
  }
  return checked;
}
