import type { Size } from './setting.ts'

/** What the services tell on METRICS_PORT brought to CloudWatch, and their traces to X-Ray, by a collector beside each. */

export const METRICS_PORT = 9464
/** OTLP over HTTP, for the traces. */
export const TRACES_ENDPOINT = 'http://127.0.0.1:4318'
export const NAMESPACE = 'Comanda'
/** To be checked when it is deployed: nothing offline can tell whether this version is there. */
export const COLLECTOR_IMAGE = 'public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3'

/** Each costs money for every service that tells it: only what an alarm looks at. Names as in docs/TELEMETRY.md. */
export const COLLECTED = [
  'comanda_orders_dead',
  'comanda_orders_parked_oldest_age_seconds',
  'comanda_orders_overdue_seconds',
  'comanda_outbox_overdue_seconds',
  'comanda_payments_in_between_oldest_age_seconds',
  'comanda_payment_discrepancies',
] as const
export type Collected = (typeof COLLECTED)[number]

/** The collector's configuration: scrape the task's own service, keep what is collected, write it to the log in CloudWatch's metric format. */
export function collectorConfig({ logGroup, region }: { logGroup: string; region: string }): string {
  return JSON.stringify({
    receivers: {
      otlp: { protocols: { http: { endpoint: new URL(TRACES_ENDPOINT).host } } },
      prometheus: {
        config: {
          scrape_configs: [
            {
              job_name: 'comanda',
              scrape_interval: '30s',
              static_configs: [{ targets: [`127.0.0.1:${METRICS_PORT}`] }],
              metric_relabel_configs: [{ source_labels: ['__name__'], regex: COLLECTED.join('|'), action: 'keep' }],
            },
          ],
        },
      },
    },
    processors: { batch: { timeout: '30s' } },
    exporters: {
      awsxray: { region },
      awsemf: {
        namespace: NAMESPACE,
        region,
        log_group_name: logGroup,
        log_stream_name: 'metrics',
        dimension_rollup_option: 'NoDimensionRollup',
        resource_to_telemetry_conversion: { enabled: false },
        metric_declarations: [{ dimensions: [['service']], metric_name_selectors: COLLECTED.map((name) => `^${name}$`) }],
      },
    },
    service: {
      pipelines: {
        metrics: { receivers: ['prometheus'], processors: ['batch'], exporters: ['awsemf'] },
        traces: { receivers: ['otlp'], processors: ['batch'], exporters: ['awsxray'] },
      },
    },
  })
}

/** Within the smallest task there is little room. */
export const collectorMemoryMiB = (size: Size): number => (size.keepsData ? 256 : 128)
