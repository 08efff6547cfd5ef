import { resolve } from 'node:path'
import type { CertificateFiles } from './certificates.ts'
import { problemWith } from './setting-kinds.ts'
import { SETTINGS, type Setting } from './settings.ts'

/** The only reader of the environment. Every setting stands in settings.ts. */

export const SERVICES = ['inventory', 'payment', 'shipping', 'orders', 'gateway'] as const
export type ServiceName = (typeof SERVICES)[number]
/** Services that own a database. */
export const OWNERS = ['orders', 'inventory', 'payment', 'shipping'] as const
export type OwnerName = (typeof OWNERS)[number]
/** Every database, by the name it has in the embedded server. */
export const DATABASES = [...OWNERS, 'broker'] as const
export type DatabaseName = (typeof DATABASES)[number]

export type Config = {
  gateway: {
    host: string
    port: number
    waitMs: number
    ordersAtOnce: number
    takeOrders: 'on' | 'off'
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
    /** `{service}` in a name stands for who reads it. Undefined: plain. */
    tls?: CertificateFiles | undefined
    reflection?: 'on' | 'off'
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
  eraseAfterMs: number
  /** Undefined: never. */
  foldAfterDays: number | undefined
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
  const tlsFiles = { cert: values.GRPC_TLS_CERT_FILE, key: values.GRPC_TLS_KEY_FILE, ca: values.GRPC_TLS_CA_FILE }
  const named = Object.values(tlsFiles).filter(Boolean).length
  if (named === 1 || named === 2) {
    problems.push('of GRPC_TLS_CERT_FILE, GRPC_TLS_KEY_FILE and GRPC_TLS_CA_FILE some are set and some not: set all three, or none')
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
      takeOrders: values.TAKE_ORDERS as 'on' | 'off',
      access: values.ACCESS as 'open' | 'keys',
      keyMemoryMs: Number(values.KEY_MEMORY_MS),
      rateLimit: values.RATE_LIMIT === '' ? undefined : Number(values.RATE_LIMIT),
    },
    grpc: {
      host: values.GRPC_HOST,
      ports: perOwner((owner) => Number(values[`${owner}_PORT`])),
      addresses: perOwner((owner) => values[`${owner}_ADDRESS`] || `${values.GRPC_HOST}:${values[`${owner}_PORT`]}`),
      timeoutMs: Number(values.RPC_TIMEOUT_MS),
      tls: named === 3 ? tlsFiles : undefined,
      reflection: (values.GRPC_REFLECTION as 'on' | 'off' | '') || (isProduction(values.NODE_ENV) ? 'off' : 'on'),
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
    eraseAfterMs: Number(values.ERASE_AFTER_MS),
    foldAfterDays: values.FOLD_AFTER_DAYS === '' ? undefined : Number(values.FOLD_AFTER_DAYS),
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
