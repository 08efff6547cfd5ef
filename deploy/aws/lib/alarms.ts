import { Duration } from 'aws-cdk-lib'
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import type { Construct } from 'constructs'
import { type Collected, NAMESPACE } from './collector.ts'
import type { Data } from './data.ts'
import { ALARM_DEFAULTS, type Foundation } from './foundation.ts'
import type { Service } from './service.ts'
import type { ServiceName } from './setting.ts'

/**
 * Alarms on what customers feel, and on what the services say about themselves: Amazon MQ tells no depth of a queue with RabbitMQ 4, so a dead letter
 * can be seen nowhere else. What to do about each stands in docs/OPERATING.md.
 */

type Rule = {
  metric: Collected
  above: number
  why: string
  /** `always`: 0 when all is well, so that silence is an alarm. `when-wrong`: told only while there is something; its service's others ring for silence. */
  told: 'always' | 'when-wrong'
}

/** By the service that tells it. Of several instances the worst counts. */
export const OWN_RULES: Record<ServiceName, Rule[]> = {
  orders: [
    { metric: 'comanda_orders_overdue_seconds', above: 120, why: 'orders are not taken up', told: 'always' },
    { metric: 'comanda_orders_dead', above: 0, why: 'orders lie on the dead-letter desk', told: 'always' },
    {
      metric: 'comanda_orders_parked_oldest_age_seconds',
      above: 900,
      why: 'an order waits for a service for 15 minutes',
      told: 'when-wrong',
    },
  ],
  payment: [
    {
      metric: 'comanda_payments_in_between_oldest_age_seconds',
      above: 900,
      why: 'we do not know what became of a payment',
      told: 'always',
    },
    { metric: 'comanda_outbox_overdue_seconds', above: 300, why: 'orders was not told of payments', told: 'always' },
    { metric: 'comanda_payment_discrepancies', above: 0, why: 'our book and the provider’s differ', told: 'when-wrong' },
  ],
  shipping: [{ metric: 'comanda_outbox_overdue_seconds', above: 300, why: 'orders was not told of shipments', told: 'always' }],
  inventory: [],
  gateway: [],
}

function alarm(scope: Construct, id: string, { alarms }: Foundation, props: Omit<cloudwatch.AlarmProps, 'evaluationPeriods'>): void {
  new cloudwatch.Alarm(scope, id, { ...ALARM_DEFAULTS, ...props }).addAlarmAction(new SnsAction(alarms))
}

const ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
const MINUTE = { period: Duration.minutes(1) }

export function serviceAlarms({ service, name, node }: Service, foundation: Foundation): void {
  const scope = node.scope as Construct
  alarm(scope, `${name}-cpu`, foundation, {
    metric: service.metricCpuUtilization(MINUTE),
    threshold: 85,
    comparisonOperator: ABOVE,
    alarmDescription: `${name}: no processor left, or none of it runs`,
  })
  alarm(scope, `${name}-memory`, foundation, {
    metric: service.metricMemoryUtilization(MINUTE),
    threshold: 85,
    comparisonOperator: ABOVE,
    alarmDescription: `${name}: memory is short, or none of it runs`,
  })
  for (const { metric, above, why, told } of OWN_RULES[name]) {
    alarm(scope, `${name}-${metric}`, foundation, {
      metric: new cloudwatch.Metric({
        namespace: NAMESPACE,
        metricName: metric,
        dimensionsMap: { service: name },
        statistic: cloudwatch.Stats.MAXIMUM,
        ...MINUTE,
      }),
      threshold: above,
      comparisonOperator: ABOVE,
      alarmDescription: `${name}: ${why}`,
      ...(told === 'when-wrong' ? { treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING } : {}),
    })
  }
}

export function gatewayAlarms(scope: Construct, balancer: elb.ApplicationLoadBalancer, foundation: Foundation): void {
  const { metrics } = balancer
  const quiet = { treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING, comparisonOperator: ABOVE }
  alarm(scope, 'gateway-5xx', foundation, {
    ...quiet,
    // Without a request there is none that failed.
    metric: metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, MINUTE),
    threshold: 10,
    alarmDescription: 'the gateway answers with errors',
  })
  alarm(scope, 'gateway-p99', foundation, {
    ...quiet,
    metric: metrics.targetResponseTime({ ...MINUTE, statistic: 'p99' }),
    threshold: 6,
    alarmDescription: 'one request of a hundred takes longer than the wait for an order',
  })
  const targets = balancer.listeners[0]?.node.findChild('GatewayGroup') as elb.ApplicationTargetGroup
  alarm(scope, 'gateway-hosts', foundation, {
    metric: targets.metrics.healthyHostCount({ ...MINUTE, statistic: 'Minimum' }),
    threshold: 1,
    comparisonOperator: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
    alarmDescription: 'no gateway is healthy',
  })
}

export function databaseAlarms(scope: Construct, { database }: Data, foundation: Foundation): void {
  alarm(scope, 'database-capacity', foundation, {
    metric: database.metricACUUtilization(MINUTE),
    threshold: 85,
    comparisonOperator: ABOVE,
    alarmDescription: 'the database is nearly as large as it may become',
  })
}
