import { type App, Tags, Validations } from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'
import { acknowledgeFindings } from './acknowledged.ts'
import { Data } from './data.ts'
import { Edge } from './edge.ts'
import { Foundation } from './foundation.ts'
import { Services } from './services.ts'
import { readSettings } from './setting.ts'

export type Stacks = { foundation: Foundation; data: Data; services: Services; edge: Edge }

/** All of Comanda on AWS: four stacks, each using those before it. */
export function addStacks(app: App): Stacks {
  const settings = readSettings(app)
  const { name, region } = settings
  // Without an account, so that it is put together, and tested, without one.
  const common = { settings, env: { region } }
  const foundation = new Foundation(app, `${name}-foundation`, common)
  const data = new Data(app, `${name}-data`, { ...common, vpc: foundation.vpc })
  const services = new Services(app, `${name}-services`, { ...common, foundation, data })
  const edge = new Edge(app, `${name}-edge`, { ...common, loadBalancer: services.loadBalancer })
  Tags.of(app).add('application', name)
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
  const stacks = { foundation, data, services, edge }
  acknowledgeFindings(stacks, { keepsData: settings.size.keepsData, hasDomain: settings.domain !== undefined })
  return stacks
}
