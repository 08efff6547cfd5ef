/** Every metric that a process can tell, in one place. The table also makes the one in docs/TELEMETRY.md, and a test holds it against a running system. */

type Metric = {
  kind: 'counter' | 'gauge' | 'histogram'
  labels: readonly string[]
  from: string
  meaning: string
  buckets?: readonly number[]
}

// Names and units by the conventions of Prometheus: base units (seconds), `_total` for counters.
/** From a call answered out of memory to the longest that a client may wait. */
const SECONDS = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256]

export const METRICS = {
  comanda_http_request_duration_seconds: {
    ...{ kind: 'histogram', labels: ['method', 'route', 'code'], from: 'gateway', buckets: SECONDS },
    meaning: 'HTTP requests answered; code 499: the client had gone. Their rate is its `_count`',
  },
  comanda_http_requests_in_flight: { kind: 'gauge', labels: [], from: 'gateway', meaning: 'HTTP requests that are not answered yet' },
  comanda_placements_total: {
    ...{ kind: 'counter', labels: ['outcome'], from: 'gateway' },
    meaning: 'Orders that clients sent, one by one or in bulk: `confirmed`, `waiting` (202), `cancelled`, or the code of the problem',
  },
  comanda_grpc_server_duration_seconds: {
    ...{ kind: 'histogram', labels: ['grpc_service', 'grpc_method', 'grpc_code'], from: 'services', buckets: SECONDS },
    meaning: 'Calls served; a stream lasts until the last order of its batch has ended',
  },
  comanda_grpc_client_duration_seconds: {
    ...{ kind: 'histogram', labels: ['grpc_service', 'grpc_method', 'grpc_code'], from: 'callers', buckets: SECONDS },
    meaning: 'Calls made, as the caller saw them',
  },
  comanda_grpc_certificate_expires_timestamp_seconds: {
    ...{ kind: 'gauge', labels: ['certificate'], from: 'all' },
    meaning: 'With mutual TLS: when the certificate that this process shows ends (`own`), and that of the CA which vouches for it (`ca`)',
  },
  comanda_db_connections: {
    kind: 'gauge',
    labels: ['pool', 'state'],
    from: 'services',
    meaning: 'Connections to PostgreSQL: `in_use`, `idle`',
  },
  comanda_db_connections_max: { kind: 'gauge', labels: ['pool'], from: 'services', meaning: 'The most that the pool may open' },
  comanda_db_waiting: {
    kind: 'gauge',
    labels: ['pool'],
    from: 'services',
    meaning: 'Statements and transactions that wait for a connection',
  },
  comanda_db_oldest_transaction_seconds: {
    kind: 'gauge',
    labels: [],
    from: 'services',
    meaning: "Age of the oldest open transaction on the database's server, whoever's it is, as far as our user may see it; 0: none",
  },
  comanda_batch_size: {
    ...{ kind: 'histogram', labels: ['batch'], from: 'callers', buckets: SIZES },
    meaning: 'Items that travelled together in one call',
  },
  comanda_batch_waiting: { kind: 'gauge', labels: ['batch'], from: 'callers', meaning: 'Items that wait for the next batch' },
  comanda_batch_refused_total: { kind: 'counter', labels: ['batch'], from: 'callers', meaning: 'Items refused because too many waited' },
  comanda_orders: {
    ...{ kind: 'gauge', labels: ['status'], from: 'orders' },
    meaning: 'Orders there are; beyond 100,000 an estimate of the planner, good to a few percent',
  },
  comanda_order_events_total: {
    ...{ kind: 'counter', labels: ['type'], from: 'orders' },
    meaning: 'What happened to orders, as this process wrote it: `order.accepted`, `order.confirmed`, `order.parked`, …',
  },
  comanda_orders_parked: { kind: 'gauge', labels: ['waits_for', 'work'], from: 'orders', meaning: 'Orders that wait for a service' },
  comanda_orders_parked_oldest_age_seconds: {
    ...{ kind: 'gauge', labels: ['waits_for'], from: 'orders' },
    meaning: 'How long the one that waits longest has waited',
  },
  comanda_orders_dead: { kind: 'gauge', labels: ['reason'], from: 'orders', meaning: 'Orders on the dead-letter desk' },
  comanda_orders_overdue_seconds: {
    ...{ kind: 'gauge', labels: [], from: 'orders' },
    meaning: 'How long the order that is longest due has not been taken up, of those that wait for nobody; 0: none',
  },
  comanda_dependency_up: {
    ...{ kind: 'gauge', labels: ['dependency'], from: 'orders' },
    meaning: '1 while this process calls the service, 0 while its circuit is open and orders are parked',
  },
  comanda_broker_up: { kind: 'gauge', labels: [], from: 'orders', meaning: '1 when the broker answered in time' },
  comanda_broker_messages: {
    ...{ kind: 'gauge', labels: ['queue', 'state'], from: 'orders' },
    meaning: 'Messages in the broker: `ready`, `delayed`, `in_flight`, `dead`',
  },
  comanda_audit_ok: {
    kind: 'gauge',
    labels: [],
    from: 'orders',
    meaning: '1 when all checks of the last `comanda audit` on this data folder held',
  },
  comanda_audit_violations: { kind: 'gauge', labels: ['promise'], from: 'orders', meaning: 'Rows that broke a check in the last audit' },
  comanda_audit_timestamp_seconds: { kind: 'gauge', labels: [], from: 'orders', meaning: 'When the last audit ended' },
  comanda_reservations_total: {
    ...{ kind: 'counter', labels: ['outcome'], from: 'inventory' },
    meaning: 'Orders for which stock was asked: `reserved`, or the code of the refusal (`out_of_stock`, …). A repeat counts again',
  },
  comanda_products_out_of_stock: {
    kind: 'gauge',
    labels: [],
    from: 'inventory',
    meaning: 'Active products of which no unit is left to sell',
  },
  comanda_payments_total: {
    ...{ kind: 'counter', labels: ['step', 'outcome'], from: 'payment' },
    meaning: 'Answers to `authorise`, `capture`, `void` and `refund`: `done`, `refused`, `unknown`. A repeat counts again',
  },
  comanda_payments_in_between: {
    ...{ kind: 'gauge', labels: ['status'], from: 'payment' },
    meaning: 'Payments that were asked of the provider and have no answer yet',
  },
  comanda_payments_in_between_oldest_age_seconds: {
    kind: 'gauge',
    labels: [],
    from: 'payment',
    meaning: 'The age of the oldest of them; 0: none',
  },
  comanda_payment_discrepancies: {
    ...{ kind: 'gauge', labels: ['kind'], from: 'payment' },
    meaning: "Differences between our book and the provider's that are open",
  },
  comanda_payment_reconciled_timestamp_seconds: {
    ...{ kind: 'gauge', labels: [], from: 'payment' },
    meaning: 'When the last scheduled reconciliation that reached its end began; 0: none yet',
  },
  comanda_outbox_messages: {
    ...{ kind: 'gauge', labels: ['outbox'], from: 'payment, shipping' },
    meaning: 'What others are still to be told: `payments`, `shipments` (to orders), `carrier_cancels`',
  },
  comanda_outbox_overdue_seconds: {
    ...{ kind: 'gauge', labels: ['outbox'], from: 'payment, shipping' },
    meaning: 'How long the one that is longest due has been so; 0: none',
  },
  comanda_retention_rows_total: {
    ...{ kind: 'counter', labels: ['table'], from: 'inventory' },
    meaning: 'Rows that were old enough to go, and that this process let go of',
  },
  comanda_metrics_failed: {
    ...{ kind: 'gauge', labels: ['reading'], from: 'all' },
    meaning: '1 when a reading could not be taken in time: what it would have told is missing from this scrape',
  },
} as const satisfies Record<string, Metric>

type Metrics = typeof METRICS
export type MetricName = keyof Metrics
type Kind<K extends Metric['kind']> = { [N in MetricName]: Metrics[N]['kind'] extends K ? N : never }[MetricName]
/** A value for each label of the metric. */
export type Labels<N extends MetricName> = Record<Metrics[N]['labels'][number], string>

/** A gauge as it stands. Rows of a query fit: names and labels are checked when they come. */
export type Reading = { metric: string; labels?: Record<string, string>; value: number }

/** What counts and times in this process. */
export type Meter = {
  count<N extends Kind<'counter'>>(metric: N, labels: Labels<N>, by?: number): void
  observe<N extends Kind<'histogram'>>(metric: N, labels: Labels<N>, value: number): void
  /**
   * Gauges that are read when somebody asks, at most every `everyMs` (0: whenever, for it costs nothing). What does not come in time, or fails, is missing from the answer.
   * @param reading its name among all of this process.
   * @returns to be called when it can't be read any more.
   */
  watch(reading: string, read: () => Reading[] | Promise<Reading[]>, options?: { everyMs?: number }): () => void
}

let current: Meter | undefined

/** The meter of this process; undefined while metrics are off, and then nothing is wrapped or counted. Ask when something is made, not for each call. */
export const meter = (): Meter | undefined => current

/** Before anything that is to be measured is made. */
export function turnMetricsOn(meter: Meter): void {
  current = meter
}
