import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { App } from 'aws-cdk-lib'
import { addStacks, type Stacks } from '../lib/stacks.ts'

// biome-ignore lint/suspicious/noExplicitAny: a template is whatever CloudFormation takes
export type Json = any
export type Resource = { Type: string; Properties: Record<string, Json>; DependsOn?: string[]; DeletionPolicy?: string }
export type Templates = Record<keyof Stacks, { all: Record<string, Resource>; of(type: string): [string, Resource][] }>
export type Report = { pluginReports: { pluginName: string; conclusion: string; violations: { ruleName: string }[] }[] }

/** The context that is deployed with: other flags would make other templates than those. */
const { context: flags } = JSON.parse(readFileSync(new URL('../cdk.json', import.meta.url), 'utf8'))
export const PREFIX_LIST = 'pl-0123456789abcdef0'

/** All four stacks, put together without an account or a network. */
export function synth(context: Record<string, string> = {}): { templates: Templates; report: Report } {
  const outdir = mkdtempSync(join(tmpdir(), 'comanda-cdk-'))
  const app = new App({ outdir, context: { ...flags, region: 'eu-west-1', cloudFrontPrefixList: PREFIX_LIST, ...context } })
  const stacks = addStacks(app)
  const assembly = app.synth()
  const templates = Object.fromEntries(
    Object.entries(stacks).map(([name, stack]) => {
      const all: Record<string, Resource> = assembly.getStackByName(stack.stackName).template.Resources
      return [name, { all, of: (type: string) => Object.entries(all).filter(([, { Type }]) => Type === type) }]
    }),
  ) as Templates
  return { templates, report: JSON.parse(readFileSync(join(outdir, 'validation-report.json'), 'utf8')) }
}

/** Both sizes, each put together once for all tests of a file. */
export const SYNTHESIZED = {
  small: () => synth({ size: 'small' }),
  production: () =>
    synth({
      ...{ size: 'production', alarmEmail: 'ops@example.com', domain: 'shop.example.com' },
      certificateArn: 'arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000',
    }),
}

/** Finds what the tests look at. */
export function look(templates: Templates) {
  const { services } = templates
  const tasks = () => services.of('AWS::ECS::TaskDefinition').map(([, task]) => task)
  const containers = ({ Properties }: Resource): Json[] => Properties.ContainerDefinitions
  const program = (task: Resource): Json => containers(task).find(({ Name }) => Name === 'program')
  const found = <T>(what: string, one: T | undefined): T => {
    if (one === undefined) throw new Error(`there is no ${what}`)
    return one
  }
  const taskOf = (name: string): Resource =>
    found(
      `task of ${name}`,
      tasks().find((task) => program(task)?.Command?.[1] === name),
    )
  return {
    tasks,
    containers,
    taskOf,
    programOf: (name: string) => program(taskOf(name)),
    serviceOf: (name: string): Resource =>
      found(`service ${name}`, services.of('AWS::ECS::Service').find(([, { Properties }]) => Properties.ServiceName === name)?.[1]),
    idOf: (resource: Resource): string => found('such resource', Object.entries(services.all).find(([, one]) => one === resource)?.[0]),
    statements: (): Json[] => services.of('AWS::IAM::Policy').flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement),
  }
}

/** Name → value of a container's settings. */
export const settingsOf = (container: Json): Record<string, unknown> =>
  Object.fromEntries((container.Environment ?? []).map(({ Name, Value }: Json) => [Name, Value]))

/** Every rule that lets somebody in, within its group or apart, with the group. */
export const ingressOf = ({ of }: Templates['data']): Record<string, unknown>[] => [
  ...of('AWS::EC2::SecurityGroup').flatMap(([id, { Properties }]) =>
    (Properties.SecurityGroupIngress ?? []).map((rule: object) => ({ ...rule, GroupId: { 'Fn::GetAtt': [id, 'GroupId'] } })),
  ),
  ...of('AWS::EC2::SecurityGroupIngress').map(([, { Properties }]) => Properties),
]
