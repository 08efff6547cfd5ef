import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { OWNERS, SERVICES, type ServiceName } from '../../src/platform/config.ts'
import type { Instance } from '../chaos/keeper.ts'
import type { Balancer } from '../journeys/balancer.ts'
import type { TwoOfEach } from '../journeys/two-of-each.ts'
import { until } from '../support/until.ts'

/** What is done to the system, one after the other, while customers order. */

export type Version = 'old' | 'new'
export type Scene = { system: TwoOfEach; balancer: Balancer; sources: Record<Version, string>; env: NodeJS.ProcessEnv }
/** @returns what there is to tell, in a few words. */
export type Stage = { name: string; run(scene: Scene): Promise<string> }

/** As docs/OPERATING.md has it: who is called comes before who calls. */
export const CALLED_FIRST: readonly ServiceName[] = SERVICES
export const CALLERS_FIRST: readonly ServiceName[] = [...SERVICES].reverse()

const BACK_SECONDS = 120
const runFile = promisify(execFile)

/** `comanda migrate` of a version, as an operator runs it. @returns what it says. */
export async function migrateWith(sources: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const { stdout } = await runFile(process.execPath, [join(sources, 'src', 'cli', 'main.ts'), 'migrate'], { env })
  return stdout.trim().split('\n')
}

const migration: Stage = {
  name: 'comanda migrate of the new version',
  async run({ sources, env }) {
    const ran = (await migrateWith(sources.new, env)).filter((line) => line.includes('has run'))
    return ran.map((line) => line.replace(/\s+has run/, ':')).join('; ') || 'nothing to run'
  },
}

/** The instances of these services, one after the other. `which`: of each two, the first alone or both. */
export const replace = (services: readonly ServiceName[], version: Version, which: 'first' | 'both' = 'both'): Stage => ({
  name: `${names(services)} ${which === 'first' ? '(one of two) ' : ''}→ ${version}`,
  async run(scene) {
    const chosen = services.flatMap((service) => {
      const both = scene.system.instances.filter((instance) => instance.service === service)
      return which === 'first' ? both.slice(0, 1) : both
    })
    for (const instance of chosen) await replaceOne(scene, instance, version)
    return `${chosen.length} processes`
  },
})

async function replaceOne({ balancer, sources }: Scene, instance: Instance, version: Version): Promise<void> {
  let ended: string | undefined
  void instance.restart(sources[version]).then((how) => {
    ended = how
  })
  const how = await until(`${instance.name} to be back as the ${version} version`, () => ended, BACK_SECONDS)
  if (how !== 'exit code 0') throw new Error(`${instance.name} ended with ${how} when it was told to stop`)
  await balancer.all()
}

const names = (services: readonly ServiceName[]) => (services.length === SERVICES.length ? 'everything' : services.join(', '))

const each = (services: readonly ServiceName[], version: Version, which?: 'first') =>
  services.map((service) => replace([service], version, which))

/** One of each two is new, and stays so. */
export const SHORT: readonly Stage[] = [
  migration,
  replace(['inventory', 'payment', 'shipping'], 'new', 'first'),
  replace(['orders'], 'new', 'first'),
  replace(['gateway'], 'new', 'first'),
  replace(['orders'], 'old', 'first'),
  replace(['orders'], 'new', 'first'),
]

/** Through all mixtures: up in the order of the book with a step back on the way, wholly back, and up again in the wrong order. */
export const LONG: readonly Stage[] = [
  migration,
  ...each(CALLED_FIRST, 'new', 'first'),
  ...OWNERS.flatMap((owner) => [replace([owner], 'old', 'first'), replace([owner], 'new', 'first')]),
  ...each(CALLED_FIRST, 'new'),
  ...each(CALLERS_FIRST, 'old'),
  ...each(CALLERS_FIRST, 'new'),
]
