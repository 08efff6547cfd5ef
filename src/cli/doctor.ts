import type { Command } from 'commander'
import { type Config, ConfigError, readConfig } from '../platform/config.ts'
import { checkBroker } from './doctor/broker.ts'
import { checkDatabases } from './doctor/databases.ts'
import { bad, type Finding, fine } from './doctor/finding.ts'
import { checkFolder } from './doctor/folders.ts'
import { checkGateway } from './doctor/gateway.ts'
import { checkPorts } from './doctor/ports.ts'
import { quietExit } from './failure.ts'
import { jsonOption, urlOption } from './options.ts'
import { type Terminal, terminalOf } from './terminal.ts'

const NODE_MAJOR = 24

export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .summary('what runs, what is reachable, what is wrong')
    .description(
      'Look at this machine and the gateway: what runs, what is reachable, and what to do about the rest. Exit code 1 when something is broken.',
    )
    .addOption(urlOption())
    .addOption(jsonOption())
    .action(async (options: { url: string; json?: true }, command: Command) => {
      const terminal = terminalOf(command)
      const url = command.getOptionValueSource('url') === 'default' ? gatewayHere(options.url) : options.url
      const findings = await examine(url, command.parent?.version() ?? '')
      terminal.out(options.json ? JSON.stringify(findings, null, 2) : findings.map((finding) => line(terminal, finding)).join('\n'))
      if (findings.some(({ level }) => level === 'fail')) throw quietExit(1)
    })
}

/** Nobody said where the gateway is: then it is where this machine's settings would start it. */
function gatewayHere(otherwise: string): string {
  try {
    const { host, port } = readConfig(process.env).gateway
    return `http://${host}:${port}`
  } catch {
    return otherwise // wrong settings are a finding of their own
  }
}

async function examine(url: string, version: string): Promise<Finding[]> {
  const found: Finding[] = [fine('comanda', `version ${version}`), checkNode(process.versions.node)]
  let config: Config
  try {
    config = readConfig(process.env)
    found.push(fine('settings', 'all valid'))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    // Ports and folders can't be known without them.
    return [
      ...found,
      ...error.problems.map((problem) => bad('settings', problem, 'see docs/CONFIGURATION.md')),
      ...(await checkGateway(url)),
    ]
  }
  const gateway = await checkGateway(url)
  const isUp = gateway[0]?.level === 'ok'
  return [
    ...found,
    ...gateway,
    ...(await checkDatabases(config)),
    ...(await checkBroker(config)),
    await checkFolder({ name: 'data folder', setting: 'DATA_DIR', path: config.dataDir }),
    await checkFolder({ name: 'log folder', setting: 'LOG_DIR', path: config.log.dir }),
    ...(await checkPorts(config, isUp ? 'running' : 'stopped')),
  ]
}

export function checkNode(version: string): Finding {
  const isRight = Number.parseInt(version, 10) >= NODE_MAJOR
  return isRight
    ? fine('node', `v${version}`)
    : bad('node', `v${version}`, `Node ${NODE_MAJOR} or later is needed; npm scripts and npx bring their own`)
}

function line({ colors }: Terminal, { level, name, says, advice }: Finding): string {
  const mark = { ok: colors.green('ok  '), warn: colors.yellow('warn'), fail: colors.red('fail') }[level]
  return `${mark}  ${name.padEnd(22)} ${says}${advice ? `\n${' '.repeat(29)}${colors.dim(`→ ${advice}`)}` : ''}`
}
