import { beforeAll, describe, expect, it } from 'vitest'
import { GRPC_PORTS, OWNERS, SERVICES } from '../lib/setting.ts'
import { type Json, look, type Report, SYNTHESIZED, settingsOf, type Templates } from './templates.ts'

const SERVICE = 'AWS::ECS::Service'

describe.each(['small', 'production'] as const)('the size %s', (size) => {
  let templates: Templates
  let report: Report
  let see: ReturnType<typeof look>
  beforeAll(() => {
    ;({ templates, report } = SYNTHESIZED[size]())
    see = look(templates)
  })
  it('breaks no rule of cdk-nag and of CloudFormation that is not acknowledged with a reason', () => {
    expect(report.pluginReports.map(({ pluginName }) => pluginName)).toContain('AwsSolutions')
    expect(report.pluginReports.flatMap(({ violations }) => violations.map(({ ruleName }) => ruleName))).toEqual([])
  })

  describe('services', () => {
    it('are all there, and the mesh knows that they speak gRPC, which can not be changed later', () => {
      for (const owner of OWNERS) {
        expect(see.programOf(owner).PortMappings).toEqual([
          expect.objectContaining({ Name: owner, ContainerPort: GRPC_PORTS[owner], AppProtocol: 'grpc' }),
        ])
        const [place] = see.serviceOf(owner).Properties.ServiceConnectConfiguration.Services
        expect(place).toMatchObject({ PortName: owner, ClientAliases: [{ DnsName: owner, Port: GRPC_PORTS[owner] }] })
        // The mesh's own 15 seconds would cut streams.
        expect(place.Timeout).toEqual({ PerRequestTimeoutSeconds: 0, IdleTimeoutSeconds: 3600 })
      }
      const mesh = see.serviceOf('gateway').Properties.ServiceConnectConfiguration
      expect(mesh.Enabled).toBe(true)
      expect(mesh.Services ?? []).toEqual([])
    })

    it('find each other by the names and ports that the mesh gives them', () => {
      for (const name of SERVICES) {
        const environment = settingsOf(see.programOf(name))
        for (const owner of OWNERS) expect(environment[`${owner.toUpperCase()}_ADDRESS`]).toBe(`${owner}:${GRPC_PORTS[owner]}`)
      }
    })

    it('roll out one by one, come back by themselves when they fail, and have time to end', () => {
      for (const name of SERVICES) {
        expect(see.serviceOf(name).Properties.DeploymentConfiguration).toMatchObject({
          MinimumHealthyPercent: 100,
          MaximumPercent: 200,
          DeploymentCircuitBreaker: { Enable: true, Rollback: true },
        })
        const { StopTimeout, LinuxParameters, HealthCheck } = see.programOf(name)
        // src/main.ts: at most 18 s to stop, after DRAIN_MS.
        expect(StopTimeout).toBeGreaterThan(18 + Number(settingsOf(see.programOf(name)).DRAIN_MS) / 1_000)
        expect(StopTimeout).toBeLessThanOrEqual(120)
        expect(LinuxParameters.InitProcessEnabled).toBe(true)
        expect(HealthCheck.Command).toEqual(['CMD', 'node', '/app/src/cli/main.ts', 'health', name])
      }
    })

    it('run on the processor that their image is built for, read-only, without a public address', () => {
      for (const task of see.tasks()) {
        expect(task.Properties.RuntimePlatform).toEqual({ CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' })
        for (const one of see.containers(task).filter(({ Name }) => Name !== 'operator'))
          expect(one.ReadonlyRootFilesystem, one.Name).toBe(true)
      }
      for (const [, { Properties }] of templates.services.of(SERVICE))
        expect(Properties.NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp).toBe('DISABLED')
    })

    it('log without ever waiting for CloudWatch', () => {
      for (const name of SERVICES) expect(see.programOf(name).LogConfiguration.Options).toMatchObject({ mode: 'non-blocking' })
    })

    it('scale with their load, and in production never down to one', () => {
      const targets = templates.services.of('AWS::ApplicationAutoScaling::ScalableTarget')
      expect(targets).toHaveLength(SERVICES.length)
      for (const [, { Properties }] of targets) {
        expect(Properties.MinCapacity).toBeGreaterThanOrEqual(size === 'production' ? 2 : 1)
        expect(Properties.MaxCapacity).toBeGreaterThan(Properties.MinCapacity)
      }
    })
  })

  describe('secrets', () => {
    it('are one for each service, which alone may read it', () => {
      const read = (name: string) => {
        const role = see.taskOf(name).Properties.ExecutionRoleArn['Fn::GetAtt'][0]
        const policies = templates.services
          .of('AWS::IAM::Policy')
          .filter(([, { Properties }]) => JSON.stringify(Properties.Roles).includes(role))
        const statements = policies.flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
        return statements
          .filter(({ Action }: Json) => JSON.stringify(Action).includes('secretsmanager'))
          .flatMap(({ Resource }: Json) => [Resource].flat().map((one) => JSON.stringify(one)))
      }
      const secrets = Object.fromEntries(SERVICES.map((name) => [name, read(name)]))
      expect(secrets.gateway).toEqual([])
      expect(secrets.inventory).toHaveLength(1)
      for (const owner of ['orders', 'payment', 'shipping']) expect(secrets[owner]).toHaveLength(2)
      const own = OWNERS.map((owner) => secrets[owner]?.find((one) => one.includes(`Database${owner}`)))
      expect(new Set(own).size).toBe(4)
      expect(own).not.toContain(undefined)
    })

    it('stand in no setting: passwords come from Secrets Manager, URLs hold none', () => {
      for (const task of see.tasks())
        for (const one of see.containers(task)) {
          for (const { Name, Value } of one.Environment ?? []) {
            expect(Name).not.toMatch(/PASSWORD/)
            expect(JSON.stringify(Value)).not.toMatch(/:\/\/\w+:[^@/]+@/)
          }
          for (const { Name } of one.Secrets ?? []) expect(Name).toMatch(/_PASSWORD$/)
        }
    })

    it('of the admin reach the migrations and the operator only', () => {
      const withAdmin = see
        .tasks()
        .flatMap((task) => see.containers(task).filter((one) => JSON.stringify(one.Secrets ?? []).includes('DatabaseSecret')))
      expect(withAdmin.map(({ Name }) => Name).sort()).toEqual(['migrate', 'migrate', 'migrate', 'migrate', 'operator'])
    })
  })

  describe('migrations', () => {
    it('run as tasks of their own before each service that owns a database, and the services change no schema', () => {
      const runs = templates.services.of('Custom::RunTask')
      expect(runs).toHaveLength(OWNERS.length)
      for (const owner of OWNERS) {
        const [id, run] = runs.find(([, { Properties }]) => Properties.Title === `the migration of ${owner}`) ?? expect.unreachable()
        expect(see.serviceOf(owner).DependsOn).toContain(id)
        const task = templates.services.all[run.Properties.TaskDefinition.Ref] ?? expect.unreachable()
        expect(see.containers(task)[0].Command).toEqual(['migrate', owner])
        expect(settingsOf(see.containers(task)[0])).toHaveProperty('DATABASE_ADMIN_URL')
        expect(settingsOf(see.programOf(owner))).not.toHaveProperty('DATABASE_ADMIN_URL')
        // The image says MIGRATE=off; nobody may say otherwise.
        expect(settingsOf(see.programOf(owner))).not.toHaveProperty('MIGRATE')
      }
    })

    it('can be started by nothing but the deployment, and nothing else by it', () => {
      const may = see
        .statements()
        .filter(({ Action }: Json) => [Action].flat().some((one: string) => ['ecs:RunTask', 'iam:PassRole'].includes(one)))
      const on = (action: string) => may.filter(({ Action }: Json) => Action === action).flatMap(({ Resource }: Json) => [Resource].flat())
      const migrations = templates.services.of('Custom::RunTask').map(([, { Properties }]) => Properties.TaskDefinition)
      expect(
        on('ecs:RunTask')
          .map(({ Ref }: Json) => Ref)
          .sort(),
      ).toEqual(migrations.map(({ Ref }) => Ref).sort())
      // The task's role and the one it is started with, of each.
      expect(on('iam:PassRole')).toHaveLength(2 * OWNERS.length)
      expect(JSON.stringify(may)).not.toContain('"*"')
      for (const { Condition } of may) expect(Condition).toBeDefined()
    })

    it('come before callers: orders after those it calls, the gateway after orders', () => {
      for (const callee of ['inventory', 'payment', 'shipping'])
        expect(see.serviceOf('orders').DependsOn).toContain(see.idOf(see.serviceOf(callee)))
      expect(see.serviceOf('gateway').DependsOn).toContain(see.idOf(see.serviceOf('orders')))
    })
  })
})
