import { ClientError, Status } from 'nice-grpc'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { breakerFor, ServiceDownError } from '../../src/orders/health.ts'
import { silentLog } from '../../src/platform/log.ts'
import { loggedLines } from '../support/log.ts'

/** A breaker on a service that a test switches; the health check answers what the service is. */
function watched({ random = 0, log = silentLog() } = {}) {
  const service = { isUp: true, probes: 0, answer: (): boolean | Promise<boolean> => service.isUp }
  const changes: string[] = []
  const breaker = breakerFor({
    service: 'payment',
    probe: async () => {
      service.probes++
      return service.answer()
    },
    random: () => random,
    log,
  })
  breaker.onChange((state) => changes.push(state))
  onTestFinished(() => breaker.close())
  const fail = () => breaker.execute(() => Promise.reject(new ClientError('/x', Status.UNAVAILABLE, 'away'))).catch((error: Error) => error)
  const becomes = (state: 'up' | 'down') => vi.waitFor(() => expect(changes.at(-1)).toBe(state), { timeout: 8_000 })
  return { breaker, service, changes, fail, becomes }
}

describe('a service', () => {
  it('that does not answer its health check after one failed call is known to be down, and is not called any more', async () => {
    const { breaker, service, fail, becomes } = watched()
    service.isUp = false
    await fail()
    await becomes('down')
    const call = vi.fn(async () => 'answer')
    await expect(breaker.execute(call)).rejects.toThrow(ServiceDownError)
    expect(call).not.toHaveBeenCalled()
  })

  it('that is known to be down is so with what was heard from it, for who reads the log', async () => {
    const { log, lines } = loggedLines()
    const { service, fail, becomes } = watched({ log })
    service.answer = () => Promise.reject(new Error('certificate has expired'))
    await fail()
    await becomes('down')
    expect(lines()).toContainEqual(expect.objectContaining({ service: 'payment', reason: 'certificate has expired' }))
  })

  it('that is well in spite of a failed call is called on', async () => {
    const { breaker, service, fail, changes } = watched()
    await fail()
    await vi.waitFor(() => expect(service.probes).toBe(1))
    expect(await breaker.execute(async () => 'answer')).toBe('answer')
    expect(changes).toEqual([])
  })

  it('whose calls all fail is taken for down, whatever its health check says, and is asked ever more rarely', async () => {
    const { fail, becomes, changes, service } = watched()
    for (let i = 0; i < 3; i++) await fail()
    await becomes('up') // on trial
    await fail()
    await becomes('up')
    expect(changes).toEqual(['down', 'up', 'down', 'up'])
    expect(service.isUp).toBe(true)
  })

  it('that hangs is found out while it hangs, and nobody waits for its deadline', async () => {
    const { breaker, service, changes } = watched()
    service.isUp = false
    const hanging = breaker.execute(() => new Promise<never>(() => {}))
    await expect(hanging).rejects.toThrow(ServiceDownError)
    expect(changes).toEqual(['down'])
  })

  it('that misses one health check in the middle of much work is called on', async () => {
    const { breaker, service, changes } = watched()
    const answers = [false, true]
    const call = Promise.withResolvers<string>()
    service.answer = () => answers.shift() ?? true
    const calling = breaker.execute(() => call.promise)
    await vi.waitFor(() => expect(service.probes).toBeGreaterThanOrEqual(2), { timeout: 8_000 })
    call.resolve('late')
    expect(await calling).toBe('late')
    expect(changes).toEqual([])
  })

  it('that misses its health checks while it answers calls is taken for busy, not for down', async () => {
    const { breaker, service, changes, fail } = watched()
    const answer = Promise.withResolvers<boolean>()
    service.answer = () => answer.promise
    await fail()
    await vi.waitFor(() => expect(service.probes).toBe(1))
    await breaker.execute(async () => 'answer')
    answer.resolve(false)
    await vi.waitFor(() => expect(service.probes).toBe(2))
    expect(await breaker.execute(async () => 'answer')).toBe('answer')
    expect(changes).toEqual([])
  })

  it('that is only slow is waited for', async () => {
    const { breaker, service, changes } = watched()
    const { promise, resolve } = Promise.withResolvers<string>()
    const slow = breaker.execute(() => promise)
    await vi.waitFor(() => expect(service.probes).toBeGreaterThan(1), { timeout: 8_000 })
    resolve('late')
    expect(await slow).toBe('late')
    expect(changes).toEqual([])
  })

  it('that comes back is called again', async () => {
    const { breaker, service, fail, becomes } = watched({ random: 1 })
    service.isUp = false
    await fail()
    await becomes('down')
    expect(breaker.sinceBackMs()).toBe(Number.POSITIVE_INFINITY)
    await vi.waitFor(() => expect(service.probes).toBeGreaterThan(3), { timeout: 8_000 })
    service.isUp = true
    await becomes('up')
    expect(breaker.sinceBackMs()).toBeLessThan(60_000)
    expect(await breaker.execute(async () => 'answer')).toBe('answer')
  })

  it('that says no for business reasons is up', async () => {
    const { breaker, changes } = watched()
    for (let i = 0; i < 5; i++) {
      const call = breaker.execute(() => Promise.reject(new ClientError('/x', Status.INVALID_ARGUMENT, 'no')))
      await expect(call).rejects.toThrow('no')
    }
    expect(changes).toEqual([])
  })
})
