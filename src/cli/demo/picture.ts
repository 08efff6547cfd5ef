import { count } from '../table.ts'
import type { Terminal } from '../terminal.ts'

/** What a moment of the outage looked like; all but `waiting` per second. */
export type Moment = { phase: Phase; placed: number; confirmed: number; parked: number; waiting: number; drained: number; failed: number }
export type Phase = 'all is well' | 'down' | 'back' | 'draining'

export type Picture = {
  /** Shows one more moment under a line of words. */
  show(words: string, moment: Moment): void
  end(): void
}

const BARS = [...'▁▂▃▄▅▆▇█']
const MARKS: Record<Phase, string> = { 'all is well': '·', down: 'x', back: '+', draining: '~' }
const ROWS = [
  { name: 'confirmed at once /s', of: 'confirmed', color: 'green' },
  { name: 'answered 202, parked /s', of: 'parked', color: 'yellow' },
  { name: 'waiting in the queue', of: 'waiting', color: 'magenta' },
  { name: 'drained /s', of: 'drained', color: 'cyan' },
] as const
const NAME_WIDTH = 26
const NUMBER_WIDTH = 9
const PLAIN_EVERY = 2

/** Drawn over and over at a terminal; a line now and then elsewhere. */
export function startPicture(terminal: Terminal, { columns }: { columns: number }): Picture {
  const seen: Moment[] = []
  let drawn = 0
  if (!terminal.isWatched) {
    return {
      show(words, moment) {
        seen.push(moment)
        if (seen.length % PLAIN_EVERY === 0) terminal.err(plainLine(words, moment))
      },
      end: () => {},
    }
  }
  const width = Math.max(10, columns - NAME_WIDTH - NUMBER_WIDTH - 2)
  return {
    show(words, moment) {
      seen.push(moment)
      const lines = drawMoments(words, seen.slice(-width), terminal.colors)
      // Up over the last picture, and wipe it.
      terminal.err(`${drawn > 0 ? `\x1b[${drawn}A\x1b[J` : ''}${lines.join('\n')}`)
      drawn = lines.length
    },
    end: () => terminal.err(''),
  }
}

export function plainLine(words: string, { placed, confirmed, parked, waiting, drained, failed }: Moment): string {
  const number = (value: number) => count(value).padStart(6)
  const bad = failed > 0 ? ` ${number(failed)} failed/s` : ''
  return (
    `${words.padEnd(40)}${number(placed)} placed/s${number(confirmed)} confirmed/s${number(parked)} parked/s` +
    `${number(waiting)} waiting${number(drained)} drained/s${bad}`
  )
}

export function drawMoments(words: string, moments: readonly Moment[], colors: Terminal['colors']): string[] {
  const last = moments.at(-1)
  const rows = ROWS.map(({ name, of, color }) => {
    const values = moments.map((moment) => moment[of])
    return `${name.padEnd(NAME_WIDTH)}${colors[color](sparkline(values))} ${count(last?.[of] ?? 0).padStart(NUMBER_WIDTH - 1)}`
  })
  const failed = moments.reduce((sum, moment) => sum + moment.failed, 0)
  return [
    colors.bold(words),
    ...rows,
    `${''.padEnd(NAME_WIDTH)}${colors.dim(moments.map(({ phase }) => MARKS[phase]).join(''))}`,
    ...(failed > 0 ? [colors.red('some orders got neither 201 nor 202')] : []),
  ]
}

/** One bar a value, as tall as it is beside the tallest; blank for 0. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values, 0)
  return values.map((value) => (value <= 0 ? ' ' : (BARS[Math.ceil((value / most) * BARS.length) - 1] ?? ' '))).join('')
}
