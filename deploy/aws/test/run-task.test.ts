import { DescribeTasksCommand, ECSClient, RunTaskCommand } from '@aws-sdk/client-ecs'
import { mockClient } from 'aws-sdk-client-mock'
import { beforeEach, describe, expect, it } from 'vitest'
// @ts-expect-error: plain JavaScript, as Lambda runs it
import { handlers } from '../lambda/run-task.mjs'

const ecs = mockClient(ECSClient)
const { onEvent, isComplete } = handlers(new ECSClient({ region: 'eu-west-1' }))
beforeEach(() => ecs.reset())

const properties = {
  Title: 'the migration of orders',
  Cluster: 'cluster',
  TaskDefinition: 'task:7',
  Container: 'migrate',
  Subnets: ['a', 'b'],
  SecurityGroups: ['g'],
  LogGroup: 'logs',
}
const event = { RequestType: 'Create', RequestId: 'r1', ResourceProperties: properties }
const looked = { ...event, Data: { TaskArn: 'arn:task' } }

describe('a one-off task in a deployment', () => {
  it('is started once per request, in the private network', async () => {
    ecs.on(RunTaskCommand).resolves({ tasks: [{ taskArn: 'arn:task' }] })
    expect(await onEvent(event)).toEqual({ PhysicalResourceId: 'r1', Data: { TaskArn: 'arn:task' } })
    expect(ecs.commandCalls(RunTaskCommand)[0]?.args[0].input).toMatchObject({
      cluster: 'cluster',
      taskDefinition: 'task:7',
      clientToken: 'r1',
      networkConfiguration: { awsvpcConfiguration: { subnets: ['a', 'b'], securityGroups: ['g'], assignPublicIp: 'DISABLED' } },
    })
  })

  it('keeps its identity in an update, so that nothing is deleted, and does nothing when it is deleted', async () => {
    ecs.on(RunTaskCommand).resolves({ tasks: [{ taskArn: 'arn:new' }] })
    expect(await onEvent({ ...event, RequestType: 'Update', PhysicalResourceId: 'p' })).toMatchObject({ PhysicalResourceId: 'p' })
    ecs.reset()
    expect(await onEvent({ ...event, RequestType: 'Delete', PhysicalResourceId: 'p' })).toEqual({ PhysicalResourceId: 'p' })
    expect(await isComplete({ ...event, RequestType: 'Delete' })).toEqual({ IsComplete: true })
    expect(ecs.calls()).toEqual([])
  })

  it('fails the deployment when it does not start, with the reason', async () => {
    ecs.on(RunTaskCommand).resolves({ tasks: [], failures: [{ reason: 'RESOURCE:MEMORY' }] })
    await expect(onEvent(event)).rejects.toThrow('did not start: RESOURCE:MEMORY')
  })

  it('is waited for until it has stopped', async () => {
    for (const tasks of [[], [{ lastStatus: 'PROVISIONING' }], [{ lastStatus: 'RUNNING' }]]) {
      ecs.on(DescribeTasksCommand).resolves({ tasks })
      expect(await isComplete(looked)).toEqual({ IsComplete: false })
    }
    ecs.on(DescribeTasksCommand).resolves({ tasks: [{ lastStatus: 'STOPPED', containers: [{ name: 'migrate', exitCode: 0 }] }] })
    expect(await isComplete(looked)).toEqual({ IsComplete: true })
  })

  it('fails the deployment when it failed, never ran, or the wrong container ended well', async () => {
    const stopped = (task: object) => ecs.on(DescribeTasksCommand).resolves({ tasks: [{ lastStatus: 'STOPPED', ...task }] })
    stopped({ containers: [{ name: 'migrate', exitCode: 1 }] })
    await expect(isComplete(looked)).rejects.toThrow('the migration of orders failed with exit code 1: see its log (log group logs)')
    stopped({ stoppedReason: 'CannotPullContainerError', containers: [{ name: 'migrate' }] })
    await expect(isComplete(looked)).rejects.toThrow('exit code none: CannotPullContainerError')
    stopped({ containers: [{ name: 'other', exitCode: 0 }] })
    await expect(isComplete(looked)).rejects.toThrow('exit code none')
  })
})
