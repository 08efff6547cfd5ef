import { resolve } from 'node:path'
import { type Kind, problemWith } from './setting-kinds.ts'

/** Every setting, in one place: the only reader of the environment. The table also makes docs/CONFIGURATION.md. */

export const SERVICES = ['inventory', 'payment', 'shipping', 'orders', 'gateway'] as const
export type ServiceName = (typeof SERVICES)[number]
/** Services that own a database. */
export const OWNERS = ['orders', 'inventory', 'payment', 'shipping'] as const
export type OwnerName = (typeof OWNERS)[number]
/** Every database, by the name it has in the embedded server. */
export const DATABASES = [...OWNERS, 'broker'] as const
export type DatabaseName = (typeof DATABASES)[number]

export type Setting = { kind: Kind; default: string; meaning: string }

// Default ports lie below 32768: above, Linux hands them to outgoing connections, and one of those may sit on ours at the start.
export const SETTINGS = {
  GATEWAY_HOST: { kind: 'host', default: '127.0.0.1', meaning: 'Address the REST gateway listens on' },
  GATEWAY_PORT: { kind: 'port', default: '8000', meaning: 'Port of the REST gateway' },
  ACCESS: {
    kind: 'access',
    default: 'open',
    meaning: 'Who may use the gateway: open (everybody, so only on a loopback address), or keys (docs/SECURITY.md)',
  },
  KEY_MEMORY_MS: {
    kind: 'integer',
    default: '300000',
    meaning: "How long a key goes on working while orders, which would know whether it was revoked, can't be reached",
  },
  RATE_LIMIT: {
    kind: 'integer',
    default: '',
    meaning:
      'Requests and orders in bulk a second that a key (without keys: an address) may send, ten times as many at once; no limit when unset',
  },
  ORDERS_PORT: { kind: 'port', default: '15051', meaning: 'gRPC port of orders' },
  INVENTORY_PORT: { kind: 'port', default: '15052', meaning: 'gRPC port of inventory' },
  PAYMENT_PORT: { kind: 'port', default: '15053', meaning: 'gRPC port of payment' },
  SHIPPING_PORT: { kind: 'port', default: '15054', meaning: 'gRPC port of shipping' },
  GRPC_HOST: { kind: 'host', default: '127.0.0.1', meaning: 'Address the gRPC services listen on' },
  ORDERS_ADDRESS: {
    kind: 'addresses',
    default: '',
    meaning:
      'host:port where others reach orders (GRPC_HOST and its port when unset); ip:port,ip:port for several instances, or a DNS name with several addresses',
  },
  INVENTORY_ADDRESS: { kind: 'addresses', default: '', meaning: 'host:port where others reach inventory, likewise' },
  PAYMENT_ADDRESS: { kind: 'addresses', default: '', meaning: 'host:port where others reach payment, likewise' },
  SHIPPING_ADDRESS: { kind: 'addresses', default: '', meaning: 'host:port where others reach shipping, likewise' },
  ORDERS_DATABASE_URL: { kind: 'url', default: '', meaning: 'PostgreSQL of orders; embedded when unset' },
  INVENTORY_DATABASE_URL: { kind: 'url', default: '', meaning: 'PostgreSQL of inventory; embedded when unset' },
  PAYMENT_DATABASE_URL: { kind: 'url', default: '', meaning: 'PostgreSQL of payment; embedded when unset' },
  SHIPPING_DATABASE_URL: { kind: 'url', default: '', meaning: 'PostgreSQL of shipping; embedded when unset' },
  BROKER_URL: {
    kind: 'broker',
    default: 'postgres',
    meaning: 'Broker: postgres (tables in a database of its own), or amqp:// or amqps:// of a RabbitMQ',
  },
  BROKER_DATABASE_URL: { kind: 'url', default: '', meaning: 'PostgreSQL of the broker while BROKER_URL is postgres; embedded when unset' },
  DATABASE_PASSWORD: { kind: 'secret', default: '', meaning: 'Password for the database URLs above that name a user and no password' },
  BROKER_PASSWORD: { kind: 'secret', default: '', meaning: 'Password for BROKER_URL, likewise' },
  CA_CERTIFICATES: {
    kind: 'secret',
    default: '',
    meaning: 'Certificates (PEM text) to trust besides those that Node knows, such as those of an RDS',
  },
  MIGRATE: {
    kind: 'flag',
    default: 'on',
    meaning: 'on: a service runs the migrations that its database lacks; off: it refuses to start then (`comanda migrate` runs them)',
  },
  DATABASE_ADMIN_URL: {
    kind: 'url',
    default: '',
    meaning:
      'For `comanda migrate` only: a user that may make roles and databases; it makes what is missing and owns the tables, and the services only read and write them',
  },
  DATABASE_ADMIN_PASSWORD: { kind: 'secret', default: '', meaning: 'Password for DATABASE_ADMIN_URL, likewise' },
  POSTGRES_PORT: { kind: 'port', default: '15432', meaning: 'Port of the embedded PostgreSQL; the next free one when it is taken' },
  DATA_DIR: { kind: 'folder', default: './data', meaning: 'Folder of the embedded PostgreSQL and of what must outlive a restart' },
  LOG_DIR: { kind: 'folder', default: './logs', meaning: 'Folder of the log files' },
  LOG_LEVEL: { kind: 'level', default: 'info', meaning: 'Least level that is logged: trace, debug, info, warn, error, silent' },
  LOG_TERMINAL: {
    kind: 'terminal',
    default: 'on',
    meaning: 'Print log lines on the terminal too: on, off; json: as JSON on standard output, and into no file (containers)',
  },
  METRICS_PORT: {
    kind: 'port',
    default: '',
    meaning: 'Port of the metrics (docs/TELEMETRY.md); off when unset. In `serve all` the first of five: each process has its own',
  },
  METRICS_HOST: { kind: 'host', default: '127.0.0.1', meaning: 'Address the metrics are told on' },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    kind: 'http',
    default: '',
    meaning: 'OpenTelemetry collector that gets the traces (docs/TELEMETRY.md), such as http://127.0.0.1:4318; off when unset',
  },
  OTEL_TRACES_SAMPLER_ARG: { kind: 'share', default: '1', meaning: 'Share of the orders that are traced, from 0 to 1' },
  LEASE_MS: {
    kind: 'integer',
    default: '10000',
    meaning: 'How long an orders process may work on an order before another may take it over',
  },
  PARKED_MAX_AGE_MS: {
    kind: 'integer',
    default: '86400000',
    meaning:
      'An order that is still not placed at this age is cancelled; undos and captures that wait so long are laid on the dead-letter desk',
  },
  DEAD_AFTER_ATTEMPTS: {
    kind: 'integer',
    default: '10',
    meaning: 'Work refused, or failed for a reason nobody foresaw, so often is laid on the dead-letter desk',
  },
  RECONCILE_EVERY_MS: {
    kind: 'integer',
    default: '600000',
    meaning: "How often payment compares its book with the payment provider's",
  },
  DRAIN_MS: {
    kind: 'integer',
    default: '0',
    meaning:
      'How long a process that is told to stop says that it is not ready, and still takes what comes: until load balancers have noticed (docs/OPERATING.md)',
  },
  RPC_TIMEOUT_MS: { kind: 'integer', default: '5000', meaning: 'Deadline of one call between services' },
  WAIT_MS: { kind: 'integer', default: '5000', meaning: 'How long POST /orders waits for the end before it answers 202' },
  ORDERS_AT_ONCE: {
    kind: 'integer',
    default: '1000',
    meaning:
      'POST /orders under way at once in a gateway; beyond that new ones are refused (503, Retry-After). About what it ends in a second',
  },
  BATCH_MAX: {
    kind: 'integer',
    default: '1000',
    meaning: 'Most items in one call between services and in one statement; 1 turns batching off, to see what it is worth',
  },
  COMANDA_FAULTS: {
    kind: 'flag',
    default: '',
    meaning: 'Faults on purpose (docs/FAULTS.md): on, off; when unset on only in `serve all` on its own PostgreSQL and loopback addresses',
  },
  NODE_ENV: { kind: 'word', default: '', meaning: '`production`: the start is refused when COMANDA_FAULTS is on' },
} as const satisfies Record<string, Setting>

export type Config = {
  gateway: {
    host: string
    port: number
    waitMs: number
    ordersAtOnce: number
    access: 'open' | 'keys'
    keyMemoryMs: number
    /** A second; undefined: no limit. */
    rateLimit: number | undefined
  }
  grpc: {
    host: string
    ports: Record<OwnerName, number> /** One address, or several with commas. */
    addresses: Record<OwnerName, string>
    timeoutMs: number
  }
  /** Empty: embedded. */
  databaseUrls: Record<DatabaseName, string>
  /** `postgres`, or the URL of a RabbitMQ with its password. */
  brokerUrl: string
  /** Whether a service runs the migrations that its database lacks, or refuses to start. */
  migrate: 'on' | 'off'
  /** Empty: the users of `databaseUrls` are there and own the tables. */
  databaseAdminUrl: string
  /** PEM text. */
  caCertificates: string
  postgresPort: number
  dataDir: string
  log: { dir: string; level: string; terminal: 'on' | 'off' | 'json' }
  /** Port undefined: off. */
  metrics: { host: string; port: number | undefined }
  /** Endpoint empty: off. */
  traces: { endpoint: string; share: number }
  drainMs: number
  leaseMs: number
  reconcileEveryMs: number
  batchMax: number
  /** When orders stops trying. */
  limits: { maxAgeMs: number; maxAttempts: number }
  /** Unset counts as off, save where the whole system is started on one machine to try it. */
  faults: 'on' | 'off' | 'unset'
}

/** Every problem of the settings at once. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly problems: string[]
  constructor(problems: string[]) {
    super(`the settings are wrong:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

/** Reads all settings, or throws a {@link ConfigError} that names all that is wrong. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const values = {} as Record<keyof typeof SETTINGS, string>
  const problems: string[] = []
  for (const [name, setting] of Object.entries(SETTINGS) as [keyof typeof SETTINGS, Setting][]) {
    const value = env[name]?.trim() || setting.default
    const problem = value === setting.default ? undefined : problemWith(name, setting.kind, value)
    if (problem) problems.push(problem)
    values[name] = value
  }
  if (values.COMANDA_FAULTS === 'on' && isProduction(values.NODE_ENV)) {
    problems.push(`COMANDA_FAULTS is "on", but NODE_ENV is "${values.NODE_ENV}": faults on purpose have no place in production`)
  }
  if (problems.length > 0) throw new ConfigError(problems)
  const perOwner = <T>(make: (upper: Uppercase<OwnerName>) => T) =>
    Object.fromEntries(OWNERS.map((owner) => [owner, make(owner.toUpperCase() as Uppercase<OwnerName>)])) as Record<OwnerName, T>
  return {
    gateway: {
      host: values.GATEWAY_HOST,
      port: Number(values.GATEWAY_PORT),
      waitMs: Number(values.WAIT_MS),
      ordersAtOnce: Number(values.ORDERS_AT_ONCE),
      access: values.ACCESS as 'open' | 'keys',
      keyMemoryMs: Number(values.KEY_MEMORY_MS),
      rateLimit: values.RATE_LIMIT === '' ? undefined : Number(values.RATE_LIMIT),
    },
    grpc: {
      host: values.GRPC_HOST,
      ports: perOwner((owner) => Number(values[`${owner}_PORT`])),
      addresses: perOwner((owner) => values[`${owner}_ADDRESS`] || `${values.GRPC_HOST}:${values[`${owner}_PORT`]}`),
      timeoutMs: Number(values.RPC_TIMEOUT_MS),
    },
    databaseUrls: {
      ...perOwner((owner) => withPassword(values[`${owner}_DATABASE_URL`], values.DATABASE_PASSWORD)),
      broker: withPassword(values.BROKER_DATABASE_URL, values.DATABASE_PASSWORD),
    },
    brokerUrl: withPassword(values.BROKER_URL, values.BROKER_PASSWORD),
    migrate: values.MIGRATE as 'on' | 'off',
    databaseAdminUrl: withPassword(values.DATABASE_ADMIN_URL, values.DATABASE_ADMIN_PASSWORD),
    caCertificates: values.CA_CERTIFICATES,
    postgresPort: Number(values.POSTGRES_PORT),
    dataDir: resolve(values.DATA_DIR),
    log: { dir: resolve(values.LOG_DIR), level: values.LOG_LEVEL, terminal: values.LOG_TERMINAL as 'on' | 'off' | 'json' },
    metrics: { host: values.METRICS_HOST, port: values.METRICS_PORT === '' ? undefined : Number(values.METRICS_PORT) },
    traces: { endpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT, share: Number(values.OTEL_TRACES_SAMPLER_ARG) },
    drainMs: Number(values.DRAIN_MS),
    leaseMs: Number(values.LEASE_MS),
    reconcileEveryMs: Number(values.RECONCILE_EVERY_MS),
    batchMax: Number(values.BATCH_MAX),
    limits: { maxAgeMs: Number(values.PARKED_MAX_AGE_MS), maxAttempts: Number(values.DEAD_AFTER_ATTEMPTS) },
    faults: (values.COMANDA_FAULTS as 'on' | 'off' | '') || (isProduction(values.NODE_ENV) ? 'off' : 'unset'),
  }
}

/** Where secrets come apart from the rest, as from a vault: into a URL that has a user and no password. */
function withPassword(url: string, password: string): string {
  if (password === '' || !URL.canParse(url)) return url
  const whole = new URL(url)
  if (whole.username === '' || whole.password !== '') return url
  whole.password = encodeURIComponent(password)
  return whole.toString()
}

const isProduction = (environment: string) => /^prod/i.test(environment)

/** The databases that no setting places, and that so belong into the embedded server. */
export const embeddedDatabases = ({ databaseUrls, brokerUrl }: Pick<Config, 'databaseUrls' | 'brokerUrl'>): DatabaseName[] =>
  DATABASES.filter((name) => databaseUrls[name] === '' && (name !== 'broker' || brokerUrl === 'postgres'))

/** The key that the command line sends to the gateway. No setting of any service. */
export const apiKeyOf = (env: NodeJS.ProcessEnv): string | undefined => env.COMANDA_API_KEY?.trim() || undefined
