import { CustomResource, Duration, RemovalPolicy } from 'aws-cdk-lib'
import type * as ec2 from 'aws-cdk-lib/aws-ec2'
import type { DockerImageAsset } from 'aws-cdk-lib/aws-ecr-assets'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import * as iam from 'aws-cdk-lib/aws-iam'
import * as lambda from 'aws-cdk-lib/aws-lambda'
import * as logs from 'aws-cdk-lib/aws-logs'
import { Provider } from 'aws-cdk-lib/custom-resources'
import { Construct } from 'constructs'
import type { Foundation } from './foundation.ts'
import { addTemporaryFolder, appSubnets, type Environment, programImageOf, runtimePlatform } from './program.ts'
import type { OwnerName, Settings } from './setting.ts'

const CODE = new URL('../lambda', import.meta.url).pathname

/** What starts one-off tasks in a deployment and waits for them: one for all of them. */
export class TaskRunner extends Construct {
  readonly serviceToken: string
  private readonly starter: lambda.Function

  constructor(scope: Construct, id: string, { cluster }: Foundation) {
    super(scope, id)
    const handler = (name: string, timeout: Duration) =>
      new lambda.Function(this, name, {
        runtime: lambda.Runtime.NODEJS_24_X,
        architecture: lambda.Architecture.ARM_64,
        code: lambda.Code.fromAsset(CODE),
        handler: `run-task.${name}`,
        timeout,
        logGroup: new logs.LogGroup(this, `${name}Logs`, { retention: logs.RetentionDays.ONE_MONTH, removalPolicy: RemovalPolicy.DESTROY }),
      })
    this.starter = handler('onEvent', Duration.seconds(30))
    const looker = handler('isComplete', Duration.seconds(30))
    looker.addToRolePolicy(
      new iam.PolicyStatement({
        actions: ['ecs:DescribeTasks'],
        // Whose ids nobody knows before.
        resources: ['*'],
        conditions: { ArnEquals: { 'ecs:cluster': cluster.clusterArn } },
      }),
    )
    this.serviceToken = new Provider(this, 'Provider', {
      onEventHandler: this.starter,
      isCompleteHandler: looker,
      queryInterval: Duration.seconds(5),
      totalTimeout: Duration.minutes(30),
    }).serviceToken
  }

  /** This task and no other, in this cluster, with its own roles. */
  mayRun(task: ecs.FargateTaskDefinition, { cluster }: Foundation): void {
    this.starter.addToRolePolicy(
      new iam.PolicyStatement({
        actions: ['ecs:RunTask'],
        resources: [task.taskDefinitionArn],
        conditions: { ArnEquals: { 'ecs:cluster': cluster.clusterArn } },
      }),
    )
    this.starter.addToRolePolicy(
      new iam.PolicyStatement({
        actions: ['iam:PassRole'],
        resources: [task.taskRole.roleArn, task.obtainExecutionRole().roleArn],
        conditions: { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } },
      }),
    )
  }
}

type MigrationProps = Environment & {
  owner: OwnerName
  image: DockerImageAsset
  foundation: Foundation
  runner: TaskRunner
  settings: Settings
  securityGroups: ec2.ISecurityGroup[]
}

/** `comanda migrate <service>` as a task of its own, before the service is rolled out. Runs with each new image. */
export class Migration extends Construct {
  readonly task: ecs.FargateTaskDefinition

  constructor(scope: Construct, id: string, props: MigrationProps) {
    super(scope, id)
    const { owner, image, foundation, runner, settings, environment, secrets, securityGroups } = props
    this.task = new ecs.FargateTaskDefinition(this, 'Task', { cpu: 256, memoryLimitMiB: 512, runtimePlatform: runtimePlatform(settings) })
    const logGroup = new logs.LogGroup(this, 'Logs', { retention: logs.RetentionDays.ONE_YEAR, removalPolicy: RemovalPolicy.DESTROY })
    const container = this.task.addContainer('migrate', {
      image: programImageOf(image),
      command: ['migrate', owner],
      readonlyRootFilesystem: true,
      environment,
      secrets,
      logging: ecs.LogDrivers.awsLogs({ streamPrefix: 'migrate', logGroup }),
    })
    addTemporaryFolder(this.task, container)
    runner.mayRun(this.task, foundation)
    new CustomResource(this, 'Run', {
      serviceToken: runner.serviceToken,
      resourceType: 'Custom::RunTask',
      properties: {
        Title: `the migration of ${owner}`,
        Cluster: foundation.cluster.clusterArn,
        // Another with each image and each setting: that is what runs it again.
        TaskDefinition: this.task.taskDefinitionArn,
        Container: 'migrate',
        Subnets: foundation.vpc.selectSubnets(appSubnets).subnetIds,
        SecurityGroups: securityGroups.map((group) => group.securityGroupId),
        LogGroup: logGroup.logGroupName,
      },
    })
  }
}
