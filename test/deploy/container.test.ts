import { readFileSync } from 'node:fs'
import { DockerfileParser } from 'dockerfile-ast'
import { validate } from 'dockerfile-utils'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type ComposeService, fillIn, OUR_SERVICES, podmanArguments, readCompose } from '../../deploy/container/compose-file.ts'
import { readConfig } from '../../src/platform/config.ts'
import { SETTINGS } from '../../src/platform/settings.ts'

const text = readFileSync('deploy/container/Containerfile', 'utf8')
const file = DockerfileParser.parse(text)
const instructions = (keyword: string) => file.getInstructions().filter((one) => one.getKeyword() === keyword)
const argumentsOf = (keyword: string) => instructions(keyword).map((one) => one.getArgumentsContent() ?? '')
const last = <T>(list: T[]) => list.at(-1)

describe('the Containerfile', () => {
  it('has no mistake that a linter knows', () => {
    expect(validate(text)).toEqual([])
    expect(validate('FROM x\nRUM y').length).toBeGreaterThan(0) // it would find one
  })

  it('names its base once, with its version, so that it can be replaced and is never "latest"', () => {
    expect(argumentsOf('ARG')[0]).toMatch(/^NODE_IMAGE=[\w./-]+:24-[\w-]+$/)
    for (const from of argumentsOf('FROM')) expect(from).toMatch(/^\$\{NODE_IMAGE\}/)
  })

  it('runs as a numbered user who is not root, and starts node itself, which gets the signals', () => {
    expect(last(argumentsOf('USER'))).toMatch(/^[1-9]\d*:[1-9]\d*$/)
    for (const keyword of ['ENTRYPOINT', 'CMD']) expect(() => JSON.parse(last(argumentsOf(keyword)) ?? '')).not.toThrow()
    expect(JSON.parse(last(argumentsOf('ENTRYPOINT')) ?? '')[0]).toBe('node')
    expect(argumentsOf('HEALTHCHECK')[0]).toContain('"health"')
    expect(argumentsOf('STOPSIGNAL')).toEqual(['SIGTERM'])
  })

  it('fetches nothing but packages from the lock file, without those for development and without scripts', () => {
    expect(instructions('ADD')).toEqual([])
    const install = argumentsOf('RUN').find((run) => run.includes('npm'))
    for (const part of ['npm ci', '--omit=dev', '--omit=optional', '--ignore-scripts']) expect(install).toContain(part)
    expect(text).not.toMatch(/curl|wget|npm install/)
  })

  it('gets of the project only what it is made of', () => {
    const lines = readFileSync('.dockerignore', 'utf8').split('\n')
    expect(lines.filter((line) => line && !line.startsWith('#'))[0]).toBe('*')
    expect(lines.filter((line) => line.startsWith('!')).sort()).toEqual(
      ['!package-lock.json', '!package.json', '!src', '!deploy/container/Containerfile'].sort(),
    )
    for (const secret of ['**/.env', '**/node_modules']) expect(lines).toContain(secret)
  })

  it('sets only settings that there are', () => {
    const set = argumentsOf('ENV')
      .join(' ')
      .matchAll(/(\w+)=/g)
    const known = [...Object.keys(SETTINGS), 'NODE_COMPILE_CACHE']
    expect([...set].map(([, name]) => name).filter((name) => !known.includes(name ?? ''))).toEqual([])
  })
})

describe('compose.yaml', () => {
  const compose = readCompose()
  const services = OUR_SERVICES.map((name) => ({ name, service: compose[name] ?? expect.unreachable(`${name} is missing`) }))

  it('has every service, each with the least of rights', () => {
    expect(Object.keys(compose).sort()).toEqual([...OUR_SERVICES, 'postgres', 'rabbitmq'].sort())
    for (const { service } of services) {
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
      expect(service.mem_limit).toMatch(/^\d+m$/)
      expect(service.build).toEqual({ context: '..', dockerfile: 'deploy/container/Containerfile' })
    }
  })

  it('pins the images of others to a version', () => {
    for (const name of ['postgres', 'rabbitmq']) expect(fillIn(compose[name]?.image ?? '', {})).toMatch(/:\d+\.\d+[\w.-]*$/)
  })

  it('starts a service when its schema is there, and gives each a health check and time to end', () => {
    for (const { name, service } of services.filter((one) => one.name !== 'migrate')) {
      expect(service.healthcheck?.test, name).toEqual(['CMD', 'node', '/app/src/cli/main.ts', 'health'])
      // src/main.ts: STOP_MS is 18 s.
      expect(Number.parseInt(service.stop_grace_period ?? '0', 10)).toBeGreaterThan(20)
      if (name !== 'gateway') expect(service.depends_on?.migrate?.condition).toBe('service_completed_successfully')
    }
    expect(compose.migrate).toMatchObject({
      command: ['migrate'],
      restart: 'no',
      depends_on: { postgres: { condition: 'service_healthy' } },
    })
  })

  it('gives each service only its own database, the admin to the migrations alone, and settings that are right', () => {
    const password = 'a p/w%'
    for (const { name, service } of services) {
      const environment = Object.fromEntries(
        Object.entries(service.environment).map(([key, value]) => [key, fillIn(value, { COMANDA_PASSWORD: password })]),
      )
      for (const key of Object.keys(environment)) expect(Object.keys(SETTINGS)).toContain(key)
      const urls = Object.keys(environment).filter((key) => key.endsWith('_DATABASE_URL'))
      if (name === 'migrate') expect(urls).toHaveLength(4)
      else {
        expect(urls).toEqual(name === 'gateway' ? [] : [`${name.toUpperCase()}_DATABASE_URL`])
        expect(Object.keys(environment).filter((key) => key.includes('ADMIN'))).toEqual([])
      }
      const config = readConfig(environment)
      if (name === 'orders') expect(decodeURIComponent(new URL(config.databaseUrls.orders).password)).toBe(password)
    }
  })

  it('opens nothing to the world but the gateway, and that on this machine only', () => {
    for (const [name, service] of Object.entries(compose)) {
      expect(service.ports ?? [], name).toEqual(name === 'gateway' ? [expect.stringMatching(/^127\.0\.0\.1:/)] : [])
    }
  })

  it('has a second file, with which each service gets its own certificate, key and the CA, and nothing else', () => {
    const { services: second } = parse(readFileSync('deploy/compose.tls.yaml', 'utf8')) as { services: Record<string, ComposeService> }
    expect(Object.keys(second).sort()).toEqual(OUR_SERVICES.filter((name) => name !== 'migrate').sort())
    for (const [name, { environment, volumes }] of Object.entries(second)) {
      const { cert, key, ca } = readConfig(environment).grpc.tls ?? expect.unreachable(`${name} has no TLS`)
      expect(Object.keys(environment)).toHaveLength(3)
      expect([cert, key]).toEqual([`/run/certs/${name}.crt`, `/run/certs/${name}.key`])
      expect(volumes).toEqual([cert, key, ca].map((file) => `${file.replace('/run', '.')}:${file}:ro`))
    }
  })

  it('is run by try.ts with the rights it states', () => {
    const orders = compose.orders ?? expect.unreachable()
    const run = podmanArguments(orders, { A: 'b' })
    for (const part of ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges', '--tmpfs=/tmp', '--memory=512m', '--env=A=b'])
      expect(run).toContain(part)
  })
})
