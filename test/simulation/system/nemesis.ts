import type { Plan } from '../load/plan.ts'
import type { Chance } from '../world/chance.ts'
import type { System } from './system.ts'

/** What does harm at random: kills, pauses, outages, cut lines, a broker that forgets. Until `untilMs`; then `heal`. */
export class Nemesis {
  readonly #system: System
  readonly #chance: Chance
  #isOver = false

  constructor(system: System, { nemesis, chance }: Plan) {
    this.#system = system
    this.#chance = chance.split('nemesis')
    this.#again('crash', nemesis.crashMs, (chance) => this.#someone(chance)?.crash())
    this.#again('crash all', nemesis.crashAllMs, () => {
      for (const { process } of system.slots) process?.crash()
      for (const server of Object.values(system.servers)) server.goDown()
      this.#later(200, () => this.#raiseAll())
    })
    this.#again('pause', nemesis.pauseMs, (chance) => {
      const process = this.#someone(chance)
      if (process) process.pausedUntil = system.world.now + chance.between(100, 1) * chance.pick([1, 10, 300])
    })
    this.#again('database down', nemesis.databaseDownMs, (chance) => {
      const server = chance.pick(Object.values(system.servers))
      server.goDown()
      const isShort = chance.hits(0.7)
      this.#later(isShort ? chance.between(50, 2_000) : chance.between(2_000, 60_000), () => {
        server.isUp = true
      })
    })
    this.#again('broker amnesia', nemesis.brokerAmnesiaMs, () => system.servers.broker.forgetAll())
    this.#again('cut', nemesis.cutMs, (chance) => {
      const names = system.slots.map((slot) => slot.name)
      const cut = `${chance.pick(names)}>${chance.pick([...names, ...Object.keys(system.servers)])}`
      system.faults.cuts.add(cut)
      this.#later(chance.exponential(5_000), () => void system.faults.cuts.delete(cut))
    })
  }

  /** From now on nothing goes wrong any more, and what is down comes up. */
  heal(): void {
    this.#isOver = true
    this.#system.faults.heal()
    this.#raiseAll()
    for (const { process } of this.#system.slots) if (process) process.pausedUntil = 0
  }

  #raiseAll(): void {
    for (const server of Object.values(this.#system.servers)) server.isUp = true
  }

  #someone(chance: Chance) {
    return chance.pick(this.#system.slots).process
  }

  #again(kind: string, meanMs: number, harm: (chance: Chance) => void): void {
    const chance = this.#chance.split(kind)
    if (meanMs === 0) return
    const next = () =>
      this.#later(chance.exponential(meanMs), () => {
        this.#system.world.tell('nemesis', kind)
        this.#system.faults.count(kind)
        harm(chance)
        next()
      })
    next()
  }

  #later(ms: number, harm: () => void): void {
    this.#system.world.plan(ms, undefined, () => {
      if (!this.#isOver) harm()
    })
  }
}
