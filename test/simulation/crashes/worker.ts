import { bootEngines } from '../ports/engine.ts'
import type { CrashPoint } from '../world/faults.ts'
import { installGlobals } from '../world/globals.ts'
import { type Played, play } from './play.ts'
import { SCRIPTS } from './scripts.ts'

/** Plays the scripts that it is told, one after the other. */

export type CrashJob = { script: string; points: CrashPoint[]; wantsTrace: boolean }
/** Effects without their words, unless they are wanted. */
export type CrashAnswer = Omit<Played, 'effects'> & { effectCount: number; effects: string[] }

installGlobals()
const unhandled: string[] = []
process.on('unhandledRejection', (error) => void unhandled.push(error instanceof Error ? (error.stack ?? error.message) : String(error)))
const engines = await bootEngines()

process.on('message', (job: CrashJob) => {
  answer(job).then(
    (played) => process.send?.(played),
    (error) => {
      process.stderr.write(
        `"${job.script}" at ${JSON.stringify(job.points)} could not be played: ${error instanceof Error ? error.stack : error}\n`,
      )
      process.exit(1)
    },
  )
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')

async function answer({ script: name, points, wantsTrace }: CrashJob): Promise<CrashAnswer> {
  const script = SCRIPTS.find((one) => one.name === name)
  if (!script) throw new Error(`there is no script "${name}"`)
  unhandled.length = 0
  let played = await play(script, engines, { points, wantsTrace })
  if (played.violations.length > 0 && !wantsTrace) played = await play(script, engines, { points, wantsTrace: true })
  played.violations.push(...unhandled.map((details) => ({ invariant: 'every error is handled by somebody', details })))
  const tell = wantsTrace || played.violations.length > 0
  return { ...played, effects: tell ? played.effects : [], effectCount: played.effects.length }
}
