import { readFileSync } from 'node:fs'
import { App } from 'aws-cdk-lib'
import { describe, expect, it } from 'vitest'
import { METRICS } from '../../../src/platform/metrics.ts'
import { SETTINGS } from '../../../src/platform/settings.ts'
import { COLLECTED } from '../lib/collector.ts'
import { databaseCertificates } from '../lib/program.ts'
import { GATEWAY_PORT, GRPC_PORTS, OWNERS, readSettings } from '../lib/setting.ts'

const read = (context: Record<string, string>) => readSettings(new App({ context }))
const enough = { region: 'eu-west-1', cloudFrontPrefixList: 'pl-1' }

describe('what is said with -c', () => {
  it('is asked for when it is missing, with how to find it', () => {
    expect(() => read({})).toThrow('say -c region=')
    expect(() => read({ region: 'eu-west-1' })).toThrow('aws ec2 describe-managed-prefix-lists')
    expect(() => read({ ...enough, domain: 'a.example' })).toThrow('certificateArn')
    expect(() => read({ ...enough, size: 'huge' })).toThrow('"huge", but must be one of small, production')
  })

  it('has good defaults', () => {
    expect(read(enough)).toMatchObject({ name: 'comanda', architecture: 'arm64', domain: undefined, size: { keepsData: false } })
  })

  it('names a region whose databases we have the certificates of', () => {
    expect(databaseCertificates('us-east-1')).not.toContain('Beta')
    expect(() => databaseCertificates('eu-west-11')).toThrow('is it misspelt?')
  })
})

describe('what the stacks say about the program', () => {
  it('is what it says itself: ports, settings, metrics', () => {
    for (const owner of OWNERS) expect(SETTINGS[`${owner.toUpperCase()}_PORT` as 'ORDERS_PORT'].default).toBe(String(GRPC_PORTS[owner]))
    expect(SETTINGS.GATEWAY_PORT.default).toBe(String(GATEWAY_PORT))
    for (const metric of COLLECTED) expect(Object.keys(METRICS)).toContain(metric)
    for (const name of [
      'METRICS_PORT',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTEL_TRACES_SAMPLER_ARG',
      'DRAIN_MS',
      'ACCESS',
      'CA_CERTIFICATES',
      'DATABASE_PASSWORD',
      'BROKER_PASSWORD',
    ])
      expect(Object.keys(SETTINGS)).toContain(name)
  })

  it('is tested with the tools that are deployed with, each at one version', () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    // npm's "latest" of the command line was published by accident, and is older.
    expect(devDependencies['aws-cdk']).toMatch(/^2\.\d+\.\d+$/)
    expect(dependencies['aws-cdk-lib']).toMatch(/^2\.\d+\.\d+$/)
  })
})
