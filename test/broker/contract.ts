import { describe } from 'vitest'
import { type BrokerServer, bench } from './contract/bench.ts'
import { consumers } from './contract/consumers.ts'
import { deadLetters } from './contract/dead-letters.ts'
import { disasters } from './contract/disasters.ts'
import { handlers } from './contract/handlers.ts'
import { publishing } from './contract/publishing.ts'

/** What every broker must do. */
export function brokerContract(name: string, startServer: () => Promise<BrokerServer>): void {
  describe(`the broker "${name}"`, () => {
    const on = bench(startServer)
    publishing(on)
    handlers(on)
    consumers(on)
    deadLetters(on)
    disasters(on)
  })
}
