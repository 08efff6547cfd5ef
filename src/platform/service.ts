import type { Config } from './config.ts'
import type { Log } from './log.ts'

/**
 * What every service is started with; the database exists and is empty or of an earlier version. In `config.databaseUrls` the embedded ones are
 * filled in.
 */
export type ServiceContext = { config: Config; databaseUrl: string; log: Log }

/** A started service: it accepts calls. `drain` says from now on that it is not ready, and goes on; `stop` finishes what is in flight. */
export type RunningService = { address: string; drain(): void; stop(): Promise<void> }

export type StartService = (context: ServiceContext) => Promise<RunningService>
