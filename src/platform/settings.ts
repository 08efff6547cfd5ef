import type { Kind } from './setting-kinds.ts'

/** Every setting. `npm run docs` makes the table in docs/CONFIGURATION.md of it. */

/** Which processes read it: names of services, `services` (the four with a database), `all` (those and the gateway), or a command. */
export type Setting = { for: string; kind: Kind; default: string; meaning: string }

// Default ports lie below 32768: above, Linux hands them to outgoing connections, and one of those may sit on ours at the start.
export const SETTINGS = {
  GATEWAY_HOST: { for: 'gateway', kind: 'host', default: '127.0.0.1', meaning: 'Address the REST gateway listens on' },
  GATEWAY_PORT: { for: 'gateway', kind: 'port', default: '8000', meaning: 'Port of the REST gateway' },
  ACCESS: {
    for: 'gateway',
    kind: 'access',
    default: 'open',
    meaning: 'Who may use the gateway: open (everybody, so only on a loopback address), or keys (docs/SECURITY.md)',
  },
  KEY_MEMORY_MS: {
    for: 'gateway',
    kind: 'integer',
    default: '300000',
    meaning: "How long a key goes on working while orders, which would know whether it was revoked, can't be reached",
  },
  RATE_LIMIT: {
    for: 'gateway',
    kind: 'integer',
    default: '',
    meaning:
      'Requests and orders in bulk a second that a key (without keys: an address) may send, ten times as many at once; no limit when unset',
  },
  ORDERS_PORT: { for: 'orders', kind: 'port', default: '15051', meaning: 'gRPC port of orders' },
  INVENTORY_PORT: { for: 'inventory', kind: 'port', default: '15052', meaning: 'gRPC port of inventory' },
  PAYMENT_PORT: { for: 'payment', kind: 'port', default: '15053', meaning: 'gRPC port of payment' },
  SHIPPING_PORT: { for: 'shipping', kind: 'port', default: '15054', meaning: 'gRPC port of shipping' },
  GRPC_HOST: { for: 'services', kind: 'host', default: '127.0.0.1', meaning: 'Address the gRPC services listen on' },
  GRPC_TLS_CERT_FILE: {
    for: 'all',
    kind: 'file',
    default: '',
    meaning:
      "TLS between services (docs/SECURITY.md): file (PEM) with this process's certificate, whose DNS name is the service's; {service} in it stands for that name",
  },
  GRPC_TLS_KEY_FILE: { for: 'all', kind: 'file', default: '', meaning: 'File with the key of that certificate, likewise' },
  GRPC_TLS_CA_FILE: {
    for: 'all',
    kind: 'file',
    default: '',
    meaning: 'File with the CAs whose certificates are believed between services; all three files or none',
  },
  GRPC_REFLECTION: {
    for: 'services',
    kind: 'flag',
    default: '',
    meaning: 'gRPC reflection, for tools such as grpcurl: on, off; when unset on, and off with NODE_ENV=production',
  },
  ORDERS_ADDRESS: {
    for: 'gateway, shipping',
    kind: 'addresses',
    default: '',
    meaning:
      'host:port where others reach orders (GRPC_HOST and its port when unset); ip:port,ip:port for several instances, or a DNS name with several addresses',
  },
  INVENTORY_ADDRESS: {
    for: 'gateway, orders',
    kind: 'addresses',
    default: '',
    meaning: 'host:port where others reach inventory, likewise',
  },
  PAYMENT_ADDRESS: { for: 'gateway, orders', kind: 'addresses', default: '', meaning: 'host:port where others reach payment, likewise' },
  SHIPPING_ADDRESS: { for: 'gateway, orders', kind: 'addresses', default: '', meaning: 'host:port where others reach shipping, likewise' },
  ORDERS_DATABASE_URL: { for: 'orders', kind: 'url', default: '', meaning: 'PostgreSQL of orders; embedded when unset' },
  INVENTORY_DATABASE_URL: { for: 'inventory', kind: 'url', default: '', meaning: 'PostgreSQL of inventory; embedded when unset' },
  PAYMENT_DATABASE_URL: { for: 'payment', kind: 'url', default: '', meaning: 'PostgreSQL of payment; embedded when unset' },
  SHIPPING_DATABASE_URL: { for: 'shipping', kind: 'url', default: '', meaning: 'PostgreSQL of shipping; embedded when unset' },
  BROKER_URL: {
    for: 'orders, payment, shipping',
    kind: 'broker',
    default: 'postgres',
    meaning: 'Broker: postgres (tables in a database of its own), or amqp:// or amqps:// of a RabbitMQ',
  },
  BROKER_DATABASE_URL: {
    for: 'orders, payment, shipping',
    kind: 'url',
    default: '',
    meaning: 'PostgreSQL of the broker while BROKER_URL is postgres; embedded when unset',
  },
  DATABASE_PASSWORD: {
    for: 'services',
    kind: 'secret',
    default: '',
    meaning: 'Password for the database URLs above that name a user and no password',
  },
  BROKER_PASSWORD: { for: 'orders, payment, shipping', kind: 'secret', default: '', meaning: 'Password for BROKER_URL, likewise' },
  CA_CERTIFICATES: {
    for: 'all',
    kind: 'secret',
    default: '',
    meaning: 'Certificates (PEM text) to trust besides those that Node knows, such as those of an RDS',
  },
  MIGRATE: {
    for: 'services',
    kind: 'flag',
    default: 'on',
    meaning: 'on: a service runs the migrations that its database lacks; off: it refuses to start then (`comanda migrate` runs them)',
  },
  DATABASE_ADMIN_URL: {
    for: 'comanda migrate',
    kind: 'url',
    default: '',
    meaning:
      'For `comanda migrate` only: a user that may make roles and databases; it makes what is missing and owns the tables, and the services only read and write them',
  },
  DATABASE_ADMIN_PASSWORD: { for: 'comanda migrate', kind: 'secret', default: '', meaning: 'Password for DATABASE_ADMIN_URL, likewise' },
  POSTGRES_PORT: {
    for: 'services',
    kind: 'port',
    default: '15432',
    meaning: 'Port of the embedded PostgreSQL; the next free one when it is taken',
  },
  DATA_DIR: {
    for: 'services',
    kind: 'folder',
    default: './data',
    meaning: 'Folder of the embedded PostgreSQL and of what must outlive a restart',
  },
  LOG_DIR: { for: 'all', kind: 'folder', default: './logs', meaning: 'Folder of the log files' },
  LOG_LEVEL: { for: 'all', kind: 'level', default: 'info', meaning: 'Least level that is logged: trace, debug, info, warn, error, silent' },
  LOG_TERMINAL: {
    for: 'all',
    kind: 'terminal',
    default: 'on',
    meaning: 'Print log lines on the terminal too: on, off; json: as JSON on standard output, and into no file (containers)',
  },
  METRICS_PORT: {
    for: 'all',
    kind: 'port',
    default: '',
    meaning: 'Port of the metrics (docs/TELEMETRY.md); off when unset. In `serve all` the first of five: each process has its own',
  },
  METRICS_HOST: { for: 'all', kind: 'host', default: '127.0.0.1', meaning: 'Address the metrics are told on' },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    for: 'all',
    kind: 'http',
    default: '',
    meaning: 'OpenTelemetry collector that gets the traces (docs/TELEMETRY.md), such as http://127.0.0.1:4318; off when unset',
  },
  OTEL_TRACES_SAMPLER_ARG: { for: 'all', kind: 'share', default: '0.1', meaning: 'Share of the orders that are traced, from 0 to 1' },
  LEASE_MS: {
    for: 'orders',
    kind: 'integer',
    default: '10000',
    meaning: 'How long an orders process may work on an order before another may take it over',
  },
  PARKED_MAX_AGE_MS: {
    for: 'orders',
    kind: 'integer',
    default: '86400000',
    meaning:
      'An order that is still not placed at this age is cancelled; undos and captures that wait so long are laid on the dead-letter desk',
  },
  DEAD_AFTER_ATTEMPTS: {
    for: 'orders',
    kind: 'integer',
    default: '10',
    meaning: 'Work refused, or failed for a reason nobody foresaw, so often is laid on the dead-letter desk',
  },
  ERASE_AFTER_MS: {
    for: 'orders',
    kind: 'integer',
    default: '86400000',
    meaning:
      'An order with an idempotency key is erased (`comanda customers erase`) this long after its last change: a late repeat of its request must not place it again',
  },
  FOLD_AFTER_DAYS: {
    for: 'inventory, comanda retention',
    kind: 'days',
    default: '',
    meaning:
      'Movements of stock of orders whose goods left, or were let go, so many days ago are folded into opening balances (docs/OPERATING.md); kept for ever when unset',
  },
  RECONCILE_EVERY_MS: {
    for: 'payment',
    kind: 'integer',
    default: '600000',
    meaning: "How often payment compares its book with the payment provider's",
  },
  DRAIN_MS: {
    for: 'all',
    kind: 'integer',
    default: '0',
    meaning:
      'How long a process that is told to stop says that it is not ready, and still takes what comes: until load balancers have noticed (docs/OPERATING.md)',
  },
  RPC_TIMEOUT_MS: { for: 'gateway, orders, shipping', kind: 'integer', default: '5000', meaning: 'Deadline of one call between services' },
  WAIT_MS: { for: 'gateway', kind: 'integer', default: '5000', meaning: 'How long POST /orders waits for the end before it answers 202' },
  ORDERS_AT_ONCE: {
    for: 'gateway',
    kind: 'integer',
    default: '1000',
    meaning:
      'POST /orders under way at once in a gateway; beyond that new ones are refused (503, Retry-After). About what it ends in a second',
  },
  TAKE_ORDERS: {
    for: 'gateway',
    kind: 'flag',
    default: 'on',
    meaning:
      'Off: new orders are refused (503 not_taking_orders), all else goes on. After a restore, until the books are reconciled (docs/OPERATING.md)',
  },
  BATCH_MAX: {
    for: 'all',
    kind: 'integer',
    default: '1000',
    meaning: 'Most items in one call between services and in one statement; 1 turns batching off, to see what it is worth',
  },
  COMANDA_FAULTS: {
    for: 'all',
    kind: 'flag',
    default: '',
    meaning: 'Faults on purpose (docs/FAULTS.md): on, off; when unset on only in `serve all` on its own PostgreSQL and loopback addresses',
  },
  NODE_ENV: {
    for: 'all',
    kind: 'word',
    default: '',
    meaning: '`production`: the start is refused when COMANDA_FAULTS is on; no gRPC reflection unless asked for',
  },
} as const satisfies Record<string, Setting>
