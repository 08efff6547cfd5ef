import { join } from 'node:path'
import type { Command } from 'commander'
import { SERVICES } from '../platform/config.ts'
import { makeCertificates } from './certificate-maker.ts'
import { wholeNumber } from './options.ts'
import { terminalOf } from './terminal.ts'

const OPERATOR = 'operator'

export function certsCommand(program: Command): void {
  const certs = program
    .command('certs')
    .summary('make certificates for TLS between the services')
    .description('Make the certificates with which the services know each other.')
  certs
    .command('create')
    .summary('a CA, and a certificate for each service and for this command line')
    .description(
      'Make a CA and, for each service and for this command line ("operator"), a certificate and its key. With a CA in the folder already: new ' +
        'certificates from it, which running services take up by themselves. For trying out and for machines of your own: whoever has ca.key can ' +
        'be every service, so keep it where none of them runs.',
    )
    .option('--out <folder>', 'where the files go', 'certs')
    .option('--days <n>', 'how long the certificates are good', wholeNumber(1), 365)
    .addHelpText(
      'after',
      '\nExamples\n  comanda certs create --out certs\n  GRPC_TLS_CERT_FILE=certs/{service}.crt GRPC_TLS_KEY_FILE=certs/{service}.key GRPC_TLS_CA_FILE=certs/ca.crt comanda serve',
    )
    .action(async ({ out, days }: { out: string; days: number }, command: Command) => {
      const names = [...SERVICES, OPERATOR]
      const { madeCa } = await makeCertificates({ dir: out, names, days })
      const at = (file: string) => join(out, file)
      const terminal = terminalOf(command)
      terminal.out(
        `${madeCa ? 'made a CA and' : 'from the CA that was there made'} certificates for ${names.join(', ')}, good for ${days} days`,
      )
      terminal.out('to use them:')
      terminal.out(`  GRPC_TLS_CERT_FILE=${at('{service}.crt')}`)
      terminal.out(`  GRPC_TLS_KEY_FILE=${at('{service}.key')}`)
      terminal.out(`  GRPC_TLS_CA_FILE=${at('ca.crt')}`)
    })
}
