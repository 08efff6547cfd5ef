import { type Stack, Validations } from 'aws-cdk-lib'
import { CfnFunction } from 'aws-cdk-lib/aws-lambda'
import type { IConstruct } from 'constructs'
import type { Stacks } from './stacks.ts'

/** What cdk-nag finds and we keep, each at the construct that it is about, with the reason. Everything else fails the synth. */

type Rule = { id: string; reason: string }

const ROTATION: Rule = {
  id: 'AwsSolutions-SMG4',
  reason: 'A task reads its secrets when it starts, so rotation goes with a roll-out: docs/AWS.md has the steps.',
}
const ENVIRONMENT: Rule = {
  id: 'AwsSolutions-ECS2',
  reason: 'Settings that are no secret: addresses, ports, the names of users. Passwords come from Secrets Manager.',
}
const IMAGE_TOKEN: Rule = {
  id: 'AwsSolutions-IAM5[Resource::*]',
  reason: 'ecr:GetAuthorizationToken, which knows no resources; pulling is limited to the one repository.',
}

function acknowledge(stack: Stack, path: string, rules: Rule[]): void {
  const found = path.split('/').reduce<IConstruct>((at, name) => at.node.findChild(name), stack)
  for (const { id, reason } of rules) Validations.of(found).acknowledge({ id: `AwsSolutions::${id}`, reason })
}

export function acknowledgeFindings(
  { data, services, edge }: Stacks,
  { keepsData, hasDomain }: { keepsData: boolean; hasDomain: boolean },
): void {
  for (const name of ['Database/Secret', 'Database-orders', 'Database-inventory', 'Database-payment', 'Database-shipping', 'BrokerUser'])
    acknowledge(data, name, [ROTATION])
  if (!keepsData)
    acknowledge(data, 'Database', [{ id: 'AwsSolutions-RDS10', reason: 'The size "small" is to try it, and to be taken down again.' }])
  for (const name of ['inventory', 'payment', 'shipping', 'orders', 'gateway'])
    acknowledge(services, `${name}/Task`, [
      ENVIRONMENT,
      { ...IMAGE_TOKEN, reason: `${IMAGE_TOKEN.reason} And traces for X-Ray, which knows none either.` },
    ])
  for (const name of ['inventory', 'payment', 'shipping', 'orders'])
    acknowledge(services, `Migrate-${name}/Task`, [ENVIRONMENT, IMAGE_TOKEN])
  acknowledge(services, 'Operator', [
    ENVIRONMENT,
    { ...IMAGE_TOKEN, reason: `${IMAGE_TOKEN.reason} And the channel of "aws ecs execute-command", which knows none either.` },
  ])
  acknowledgeTaskRunner(services)
  acknowledge(services, 'AccessLogs', [{ id: 'AwsSolutions-S1', reason: 'It holds access logs itself.' }])
  acknowledge(edge, 'Logs', [{ id: 'AwsSolutions-S1', reason: 'It holds access logs itself.' }])
  acknowledge(edge, 'Distribution', [
    { id: 'AwsSolutions-CFR1', reason: 'Where customers are is for the shop to say.' },
    {
      id: 'AwsSolutions-CFR2',
      reason: 'The firewall stands in front of the load balancer (size "production"), in the region of all the rest.',
    },
    ...(hasDomain
      ? []
      : [{ id: 'AwsSolutions-CFR4', reason: "CloudFront's own certificate takes what it takes; with -c domain=… TLS 1.2 is the least." }]),
  ])
}

/** The parts that CDK's own framework for custom resources is made of. */
function acknowledgeTaskRunner(services: Stack): void {
  const { node } = services.node.findChild('TaskRunner')
  for (const one of node.findAll()) {
    const rules: Rule[] = []
    if (one.node.id === 'ServiceRole')
      rules.push({
        id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]',
        reason: 'Lambda may write its own log, and nothing else by this policy.',
      })
    if (one.node.id === 'waiter-state-machine')
      for (const id of ['AwsSolutions-SF1', 'AwsSolutions-SF2'])
        rules.push({ id, reason: 'It waits for a one-off task of a deployment; what happened stands in the log of that task.' })
    for (const { id, reason } of rules) Validations.of(one).acknowledge({ id: `AwsSolutions::${id}`, reason })
  }
  const versions = node
    .findAll()
    .filter((one) => one instanceof CfnFunction)
    .map((one) => `AwsSolutions-IAM5[Resource::<${services.getLogicalId(one)}.Arn>:*]`)
  for (const one of node.findAll().filter(({ node: { id } }) => id === 'DefaultPolicy'))
    for (const id of versions) Validations.of(one).acknowledge({ id: `AwsSolutions::${id}`, reason: 'The versions of its own functions.' })
  acknowledge(services, 'TaskRunner/isComplete', [
    { id: 'AwsSolutions-IAM5[Resource::*]', reason: 'ecs:DescribeTasks, limited by its condition to the tasks of this one cluster.' },
  ])
}
