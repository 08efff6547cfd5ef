import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import * as ec2 from 'aws-cdk-lib/aws-ec2'
import type { DockerImageAsset } from 'aws-cdk-lib/aws-ecr-assets'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import * as iam from 'aws-cdk-lib/aws-iam'
import * as logs from 'aws-cdk-lib/aws-logs'
import * as s3 from 'aws-cdk-lib/aws-s3'
import type { Construct } from 'constructs'
import { databaseAlarms, gatewayAlarms, serviceAlarms } from './alarms.ts'
import type { Data } from './data.ts'
import type { Foundation } from './foundation.ts'
import { Migration, TaskRunner } from './migration.ts'
import {
  addTemporaryFolder,
  allDatabases,
  appSubnets,
  asAdmin,
  broker,
  type Environment,
  ownDatabase,
  programImage,
  programImageOf,
  runtimePlatform,
  together,
} from './program.ts'
import { Service } from './service.ts'
import { GATEWAY_PORT, GRPC_PORTS, OWNERS, type ServiceName, type Settings } from './setting.ts'

type Props = StackProps & { settings: Settings; foundation: Foundation; data: Data }

/** The migrations, the five services, and the load balancer in front of the gateway. */
export class Services extends Stack {
  readonly loadBalancer: elb.ApplicationLoadBalancer

  constructor(scope: Construct, id: string, props: Props) {
    super(scope, id, props)
    const { settings, foundation, data } = props
    const image = programImage(this, settings)
    const mesh = this.meshGroup(foundation)
    const runner = new TaskRunner(this, 'TaskRunner', foundation)
    const services = this.makeServices({ ...props, image, mesh, runner })
    this.loadBalancer = this.makeLoadBalancer(props, services.gateway, mesh)
    this.makeOperator({ ...props, image })
    for (const service of Object.values(services)) serviceAlarms(service, foundation)
    gatewayAlarms(this, this.loadBalancer, foundation)
    databaseAlarms(this, data, foundation)
  }

  /** Services talk to each other, and to nobody else's ports. */
  private meshGroup({ vpc }: Foundation): ec2.SecurityGroup {
    const mesh = new ec2.SecurityGroup(this, 'MeshGroup', { vpc, description: 'gRPC between the services of Comanda' })
    for (const owner of OWNERS) mesh.addIngressRule(mesh, ec2.Port.tcp(GRPC_PORTS[owner]), `gRPC of ${owner}`)
    return mesh
  }

  private makeServices(all: Props & { image: DockerImageAsset; mesh: ec2.SecurityGroup; runner: TaskRunner }) {
    const { settings, foundation, data, image, mesh, runner } = all
    const common = { image, foundation, settings }
    const make = (name: ServiceName, parts: Environment[], groups: ec2.ISecurityGroup[]) =>
      new Service(this, name, { name, ...common, ...together(...parts), securityGroups: [mesh, ...groups] })
    const owned = (name: 'orders' | 'inventory' | 'payment' | 'shipping') => {
      const usesBroker = name !== 'inventory'
      const groups = [data.databaseClients, ...(usesBroker ? [data.brokerClients] : [])]
      const service = make(name, [ownDatabase(data, name, settings), ...(usesBroker ? [broker(data)] : [])], groups)
      const migration = new Migration(this, `Migrate-${name}`, {
        ...{ owner: name, ...common, runner },
        ...together(ownDatabase(data, name, settings), asAdmin(data)),
        // It needs a way out for its image, which the group of the mesh has.
        securityGroups: [mesh, data.databaseClients],
      })
      service.service.node.addDependency(migration)
      return service
    }
    const [inventory, payment, shipping, orders] = [owned('inventory'), owned('payment'), owned('shipping'), owned('orders')]
    const gateway = make('gateway', [{ environment: { ACCESS: 'keys' }, secrets: {} }], [])
    // A client of the mesh sees those who were there when it was deployed. (shipping asks orders too: docs/AWS.md says what to do once.)
    for (const callee of [inventory, payment, shipping]) orders.service.node.addDependency(callee.service)
    gateway.service.node.addDependency(orders.service)
    return { inventory, payment, shipping, orders, gateway }
  }

  /** Inside the network; CloudFront alone reaches it. */
  private makeLoadBalancer(
    { foundation: { vpc }, settings }: Props,
    gateway: Service,
    mesh: ec2.SecurityGroup,
  ): elb.ApplicationLoadBalancer {
    const group = new ec2.SecurityGroup(this, 'LoadBalancerGroup', { vpc, allowAllOutbound: false, description: 'The load balancer' })
    group.addIngressRule(ec2.Peer.prefixList(settings.cloudFrontPrefixList), ec2.Port.tcp(80), 'CloudFront')
    group.addEgressRule(mesh, ec2.Port.tcp(GATEWAY_PORT), 'The gateway')
    mesh.addIngressRule(group, ec2.Port.tcp(GATEWAY_PORT), 'The load balancer')
    const balancer = new elb.ApplicationLoadBalancer(this, 'LoadBalancer', {
      vpc,
      internetFacing: false,
      vpcSubnets: appSubnets,
      securityGroup: group,
      deletionProtection: settings.size.keepsData,
      dropInvalidHeaderFields: true,
      // Longer than the gateway waits for an order.
      idleTimeout: Duration.seconds(60),
    })
    balancer.logAccessLogs(this.accessLogs(settings), 'load-balancer')
    const listener = balancer.addListener('Http', { port: 80, protocol: elb.ApplicationProtocol.HTTP, open: false })
    listener.addTargets('Gateway', {
      port: GATEWAY_PORT,
      protocol: elb.ApplicationProtocol.HTTP,
      targets: [gateway.service.loadBalancerTarget({ containerName: 'program', containerPort: GATEWAY_PORT })],
      deregistrationDelay: Duration.seconds(30),
      healthCheck: { path: '/readyz', interval: Duration.seconds(10), healthyThresholdCount: 2, unhealthyThresholdCount: 3 },
    })
    return balancer
  }

  private accessLogs({ size }: Settings): s3.Bucket {
    return new s3.Bucket(this, 'AccessLogs', {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      // The only kind of encryption that a load balancer's log can be written with.
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      lifecycleRules: [{ expiration: Duration.days(90) }],
      removalPolicy: size.keepsData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    })
  }

  /** A task for people, started by hand and gone after an hour: `comanda keys create`, `comanda audit`. Services have no shell at all. */
  private makeOperator({ settings, foundation, data, image }: Props & { image: DockerImageAsset }): void {
    const task = new ecs.FargateTaskDefinition(this, 'Operator', {
      family: `${settings.name}-operator`,
      cpu: 256,
      memoryLimitMiB: 1024,
      runtimePlatform: runtimePlatform(settings),
    })
    const container = task.addContainer('operator', {
      image: programImageOf(image),
      entryPoint: ['node', '-e'],
      command: ['setTimeout(() => {}, 3600000); process.on("SIGTERM", () => process.exit())'],
      ...allDatabases(data, settings),
      logging: ecs.LogDrivers.awsLogs({
        streamPrefix: 'operator',
        logGroup: new logs.LogGroup(this, 'OperatorLogs', { retention: logs.RetentionDays.ONE_YEAR, removalPolicy: RemovalPolicy.DESTROY }),
      }),
    })
    addTemporaryFolder(task, container)
    // What `aws ecs execute-command` needs.
    task.addToTaskRolePolicy(operatorChannel())
    const group = new ec2.SecurityGroup(this, 'OperatorGroup', { vpc: foundation.vpc, description: 'The operator: way out, no way in' })
    new CfnOutput(this, 'OperatorTask', { value: task.family })
    new CfnOutput(this, 'OperatorNetwork', {
      value: `awsvpcConfiguration={subnets=[${foundation.vpc.selectSubnets(appSubnets).subnetIds.join(',')}],securityGroups=[${group.securityGroupId},${data.databaseClients.securityGroupId}]}`,
    })
  }
}

const operatorChannel = (): iam.PolicyStatement =>
  new iam.PolicyStatement({
    actions: ['CreateControlChannel', 'CreateDataChannel', 'OpenControlChannel', 'OpenDataChannel'].map(
      (action) => `ssmmessages:${action}`,
    ),
    resources: ['*'],
  })
