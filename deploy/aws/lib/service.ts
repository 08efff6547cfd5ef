import { Size as Bytes, Duration, RemovalPolicy } from 'aws-cdk-lib'
import type * as ec2 from 'aws-cdk-lib/aws-ec2'
import type { DockerImageAsset } from 'aws-cdk-lib/aws-ecr-assets'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import * as iam from 'aws-cdk-lib/aws-iam'
import * as logs from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { COLLECTOR_IMAGE, collectorConfig, collectorMemoryMiB, METRICS_PORT, TRACES_ENDPOINT } from './collector.ts'
import type { Foundation } from './foundation.ts'
import { addresses, addTemporaryFolder, appSubnets, type Environment, programImageOf, runtimePlatform } from './program.ts'
import { GATEWAY_PORT, GRPC_PORTS, type ServiceName, type Settings } from './setting.ts'

/** Longer than a service takes to be drained and to finish what is in flight (docs/OPERATING.md), and at most 120. */
const STOP = Duration.seconds(60)
/** How long it goes on answering after SIGTERM, as one that is not ready, while the others take notice. */
const DRAIN_MS = 5_000

const LOG_BUFFER = Bytes.mebibytes(25)

type ServiceProps = Environment & {
  name: ServiceName
  image: DockerImageAsset
  foundation: Foundation
  settings: Settings
  securityGroups: ec2.ISecurityGroup[]
}

/** One service: its task, its place in the mesh, and how many of it there are. */
export class Service extends Construct {
  readonly task: ecs.FargateTaskDefinition
  readonly service: ecs.FargateService
  readonly name: ServiceName

  constructor(scope: Construct, id: string, props: ServiceProps) {
    super(scope, id)
    this.name = props.name
    const { settings, name, foundation } = props
    const { cpu, memoryMiB, least, most } = settings.size.tasks[name]
    this.task = new ecs.FargateTaskDefinition(this, 'Task', { cpu, memoryLimitMiB: memoryMiB, runtimePlatform: runtimePlatform(settings) })
    const group = new logs.LogGroup(this, 'Logs', {
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: settings.size.keepsData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    })
    this.addProgram(props, group)
    this.addCollector(settings, group)
    this.service = new ecs.FargateService(this, 'Service', {
      serviceName: name,
      cluster: foundation.cluster,
      taskDefinition: this.task,
      desiredCount: least,
      vpcSubnets: appSubnets,
      securityGroups: props.securityGroups,
      assignPublicIp: false,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { rollback: true },
      availabilityZoneRebalancing: ecs.AvailabilityZoneRebalancing.ENABLED,
      healthCheckGracePeriod: name === 'gateway' ? Duration.seconds(60) : undefined,
      propagateTags: ecs.PropagatedTagSource.SERVICE,
      serviceConnectConfiguration: meshPlace(name, foundation, group),
    })
    const scaling = this.service.autoScaleTaskCount({ minCapacity: least, maxCapacity: most })
    scaling.scaleOnCpuUtilization('Cpu', {
      targetUtilizationPercent: 60,
      scaleOutCooldown: Duration.seconds(60),
      scaleInCooldown: Duration.minutes(5),
    })
  }

  private addProgram({ name, image, environment, secrets, settings }: ServiceProps, group: logs.LogGroup): void {
    const port = name === 'gateway' ? GATEWAY_PORT : GRPC_PORTS[name]
    const container = this.task.addContainer('program', {
      image: programImageOf(image),
      command: ['serve', name],
      essential: true,
      readonlyRootFilesystem: true,
      environment: {
        ...environment,
        ...addresses(GRPC_PORTS),
        METRICS_PORT: String(METRICS_PORT),
        DRAIN_MS: String(DRAIN_MS),
        OTEL_EXPORTER_OTLP_ENDPOINT: TRACES_ENDPOINT,
        OTEL_TRACES_SAMPLER_ARG: String(settings.size.tracedShare),
      },
      secrets,
      portMappings: [
        name === 'gateway'
          ? { name, containerPort: port, appProtocol: ecs.AppProtocol.http }
          : // Without it the mesh sees connections, not calls, and one instance gets them all. It can't be changed later.
            { name, containerPort: port, appProtocol: ecs.AppProtocol.grpc },
      ],
      healthCheck: {
        command: ['CMD', 'node', '/app/src/cli/main.ts', 'health', name],
        interval: Duration.seconds(10),
        timeout: Duration.seconds(5),
        retries: 3,
        startPeriod: Duration.seconds(60),
      },
      stopTimeout: STOP,
      linuxParameters: new ecs.LinuxParameters(this, 'Linux', { initProcessEnabled: true }),
      // When CloudWatch stalls, lines are lost and not orders.
      logging: ecs.LogDrivers.awsLogs({
        streamPrefix: name,
        logGroup: group,
        mode: ecs.AwsLogDriverMode.NON_BLOCKING,
        maxBufferSize: LOG_BUFFER,
      }),
    })
    addTemporaryFolder(this.task, container)
  }

  /** Beside the service and not essential: without it there are alarms, and orders all the same. */
  private addCollector({ region, size }: Settings, group: logs.LogGroup): void {
    this.task.addContainer('collector', {
      image: ecs.ContainerImage.fromRegistry(COLLECTOR_IMAGE),
      essential: false,
      readonlyRootFilesystem: true,
      memoryLimitMiB: collectorMemoryMiB(size),
      environment: { AOT_CONFIG_CONTENT: collectorConfig({ logGroup: group.logGroupName, region }) },
      logging: ecs.LogDrivers.awsLogs({
        streamPrefix: 'collector',
        logGroup: group,
        mode: ecs.AwsLogDriverMode.NON_BLOCKING,
        maxBufferSize: LOG_BUFFER,
      }),
    })
    group.grantWrite(this.task.taskRole)
    this.task.addToTaskRolePolicy(
      new iam.PolicyStatement({ actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'], resources: ['*'] }),
    )
  }
}

function meshPlace(name: ServiceName, { namespace }: Foundation, logGroup: logs.LogGroup): ecs.ServiceConnectProps {
  const common = {
    namespace: namespace.namespaceName,
    logDriver: ecs.LogDrivers.awsLogs({ streamPrefix: 'mesh', logGroup }),
  }
  if (name === 'gateway') return common
  return {
    ...common,
    services: [
      {
        portMappingName: name,
        dnsName: name,
        port: GRPC_PORTS[name],
        // The deadline belongs to the caller; the mesh's own of 15 seconds would cut streams.
        perRequestTimeout: Duration.seconds(0),
        idleTimeout: Duration.hours(1),
      },
    ],
  }
}
