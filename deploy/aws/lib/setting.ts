import type { App } from 'aws-cdk-lib'

/** How large, how many and how safe: all that differs between a first try and production. */
export type Size = {
  /** Per service: processor units (1024 is one), memory, and how many tasks at least and at most. */
  tasks: Record<ServiceName, { cpu: number; memoryMiB: number; least: number; most: number }>
  natGateways: number
  /** Aurora capacity units (2 GiB each), and whether a reader in another zone takes over when the writer fails. */
  database: { leastAcu: number; mostAcu: number; readers: number; ioOptimized: boolean; backupDays: number }
  broker: { instance: string; mode: 'SINGLE_INSTANCE' | 'CLUSTER_MULTI_AZ' }
  /** Nothing is deleted with its stack, and databases ask first. */
  keepsData: boolean
  webFirewall: boolean
  /** Of the orders, how many leave a trace: each costs. */
  tracedShare: number
}

export const SERVICES = ['inventory', 'payment', 'shipping', 'orders', 'gateway'] as const
export type ServiceName = (typeof SERVICES)[number]
export const OWNERS = ['orders', 'inventory', 'payment', 'shipping'] as const
export type OwnerName = (typeof OWNERS)[number]
export const GRPC_PORTS: Record<OwnerName, number> = { orders: 15051, inventory: 15052, payment: 15053, shipping: 15054 }
export const GATEWAY_PORT = 8000

const tiny = { cpu: 256, memoryMiB: 1024, least: 1, most: 2 }

export const SIZES: Record<'small' | 'production', Size> = {
  small: {
    tasks: { inventory: tiny, payment: tiny, shipping: tiny, orders: tiny, gateway: tiny },
    natGateways: 1,
    database: { leastAcu: 0.5, mostAcu: 4, readers: 0, ioOptimized: false, backupDays: 7 },
    broker: { instance: 'mq.m7g.medium', mode: 'SINGLE_INSTANCE' },
    keepsData: false,
    webFirewall: false,
    tracedShare: 1,
  },
  production: {
    tasks: {
      // A Node process uses one core: more tasks, not larger ones. The mesh's proxy and the collector take their part of each.
      inventory: { cpu: 1024, memoryMiB: 2048, least: 2, most: 8 },
      payment: { cpu: 1024, memoryMiB: 2048, least: 2, most: 8 },
      shipping: { cpu: 1024, memoryMiB: 2048, least: 2, most: 8 },
      orders: { cpu: 1024, memoryMiB: 2048, least: 2, most: 12 },
      gateway: { cpu: 1024, memoryMiB: 2048, least: 2, most: 8 },
    },
    natGateways: 2,
    database: { leastAcu: 1, mostAcu: 32, readers: 1, ioOptimized: true, backupDays: 35 },
    broker: { instance: 'mq.m7g.large', mode: 'CLUSTER_MULTI_AZ' },
    keepsData: true,
    webFirewall: true,
    tracedShare: 0.01,
  },
}

export type Settings = {
  name: string
  size: Size
  region: string
  /** The id of the region's list of CloudFront's own addresses: who may reach the load balancer. */
  cloudFrontPrefixList: string
  alarmEmail: string | undefined
  /** A domain of your own, with a certificate in us-east-1; CloudFront's own name without. */
  domain: { name: string; certificateArn: string } | undefined
  architecture: 'arm64' | 'amd64'
}

/** Reads `-c name=value`. @throws naming what is missing or wrong, and how to find it. */
export function readSettings(app: App): Settings {
  const given = (key: string): string | undefined => app.node.tryGetContext(key)
  const needed = (key: string, how: string) => given(key) ?? fail(`say -c ${key}=…: ${how}`)
  const oneOf = <T extends string>(key: string, values: readonly T[], value: string | undefined): T =>
    values.find((one) => one === value) ?? fail(`-c ${key} is "${value}", but must be one of ${values.join(', ')}`)
  const domain = given('domain')
  return {
    name: given('stage') ?? 'comanda',
    size: SIZES[oneOf('size', ['small', 'production'] as const, given('size') ?? 'small')],
    region: needed('region', 'the region to deploy to, such as eu-west-1'),
    cloudFrontPrefixList: needed(
      'cloudFrontPrefixList',
      'aws ec2 describe-managed-prefix-lists --filters Name=prefix-list-name,Values=com.amazonaws.global.cloudfront.origin-facing --query "PrefixLists[0].PrefixListId"',
    ),
    alarmEmail: given('alarmEmail'),
    domain: domain ? { name: domain, certificateArn: needed('certificateArn', 'the certificate of the domain, in us-east-1') } : undefined,
    architecture: oneOf('architecture', ['arm64', 'amd64'] as const, given('architecture') ?? 'arm64'),
  }
}

function fail(why: string): never {
  throw new Error(why)
}
