/**
 * Runs a one-off task on ECS while CloudFormation waits: `onEvent` starts it, `isComplete` looks until it has ended, and an exit code other than 0 fails
 * the deployment. Plain JavaScript with what Lambda's Node brings, so that nothing is bundled.
 *
 * @typedef {{ send(command: unknown): Promise<any> }} Ecs
 */
import { DescribeTasksCommand, ECSClient, RunTaskCommand } from '@aws-sdk/client-ecs'

/** @param {Ecs} ecs */
export function handlers(ecs) {
  return {
    async onEvent({ RequestType, RequestId, PhysicalResourceId, ResourceProperties: properties }) {
      if (RequestType === 'Delete') return { PhysicalResourceId }
      const { tasks = [], failures = [] } = await ecs.send(
        new RunTaskCommand({
          cluster: properties.Cluster,
          taskDefinition: properties.TaskDefinition,
          launchType: 'FARGATE',
          // CloudFormation may tell us twice: the second gets the first one's task.
          clientToken: RequestId,
          networkConfiguration: {
            awsvpcConfiguration: {
              subnets: properties.Subnets,
              securityGroups: properties.SecurityGroups,
              assignPublicIp: 'DISABLED',
            },
          },
        }),
      )
      const arn = tasks[0]?.taskArn
      if (!arn) throw new Error(`the task did not start: ${failures.map(({ reason }) => reason).join('; ') || 'ECS gives no reason'}`)
      return { PhysicalResourceId: PhysicalResourceId ?? RequestId, Data: { TaskArn: arn } }
    },

    async isComplete({ RequestType, Data, ResourceProperties: properties }) {
      if (RequestType === 'Delete') return { IsComplete: true }
      const { tasks = [] } = await ecs.send(new DescribeTasksCommand({ cluster: properties.Cluster, tasks: [Data.TaskArn] }))
      const [task] = tasks
      if (task?.lastStatus !== 'STOPPED') return { IsComplete: false }
      const { exitCode, reason } = task.containers?.find(({ name }) => name === properties.Container) ?? {}
      if (exitCode === 0) return { IsComplete: true }
      const why = reason ?? task.stoppedReason ?? 'see its log'
      throw new Error(`${properties.Title} failed with exit code ${exitCode ?? 'none'}: ${why} (log group ${properties.LogGroup})`)
    },
  }
}

const { onEvent, isComplete } = handlers(new ECSClient({}))

export { isComplete, onEvent }
