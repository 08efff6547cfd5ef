import { Argument, type Command } from 'commander'
import { SERVICES, type ServiceName } from '../platform/config.ts'
import { Failure } from './failure.ts'
import { settings } from './options.ts'

export function serveCommand(program: Command): void {
  program
    .command('serve')
    .summary('start services')
    .description('Start all services under a supervisor, each as a process of its own, or the named ones in this process.')
    .addArgument(new Argument('[services...]', 'which').choices(['all', ...SERVICES]).default(['all'], 'all'))
    .addHelpText(
      'after',
      '\nSettings are environment variables: see docs/CONFIGURATION.md.\n\nExamples\n  comanda serve\n  comanda serve orders payment\n  GATEWAY_PORT=9000 comanda serve all',
    )
    .action(async (names: ('all' | ServiceName)[]) => {
      // Loaded here only: the services' code would slow every other command's start.
      const { serve } = await import('../main.ts')
      const named = names.filter((name) => name !== 'all')
      await serve(named.length < names.length ? 'all' : [...new Set(named)], settings()).catch((error: Error) => {
        throw new Failure(error.message)
      })
    })
}
