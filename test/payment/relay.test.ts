import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { relayOnce } from '../../src/payment/relay.ts'
import { silentLog } from '../../src/platform/log.ts'
import { sql } from '../../src/platform/postgres.ts'
import { command, openDesk } from './desk.ts'

let desk: Awaited<ReturnType<typeof openDesk>>
beforeAll(async () => {
  desk = await openDesk()
})
afterEach(() => desk.expectBalance())
afterAll(() => desk.drop())

const messages = async (orderId: string) =>
  (await desk.db.query<{ body: unknown }>(sql`select body from outbox where order_id = ${orderId} order by version`)).map((row) => row.body)

describe('orders is told', () => {
  const sent: { id: string; body: unknown }[] = []
  const broker = {
    publish: async (_queue: string, messages: readonly { id: string; body: unknown }[]) => void sent.push(...messages),
  }
  const relay = (publish: typeof broker.publish = broker.publish) => relayOnce({ db: desk.db, broker: { publish }, log: silentLog() })

  it('of a result that was unknown once, in the transaction that decides it, and of no other', async () => {
    const [late, declined, good] = [command({ token: 'tok_timeout_after' }), command({ token: 'tok_error_500' }), command()]
    await desk.a.authorise(late, declined, good)
    expect(await messages(late.orderId)).toEqual([])
    await desk.look()
    await desk.a.authorise(declined)
    expect(await messages(late.orderId)).toEqual([{ type: 'payment.resolved', order_id: late.orderId, status: 'authorised' }])
    expect(await messages(declined.orderId)).toHaveLength(1)
    expect(await messages(good.orderId)).toEqual([])
  })
  it('of a void and a capture that the resolver finished', async () => {
    const [voided, captured] = [command(), command()]
    await desk.a.authorise(voided, captured)
    const voiding = desk.dies('void', 'before')
    void voiding.dying.void(voided.orderId)
    const capturing = desk.dies('capture', 'before')
    void capturing.dying.capture(captured.orderId)
    await Promise.all([voiding.whenDead, capturing.whenDead])
    await desk.look()
    expect(await messages(voided.orderId)).toEqual([{ type: 'payment.resolved', order_id: voided.orderId, status: 'voided' }])
    expect(await messages(captured.orderId)).toEqual([{ type: 'payment.resolved', order_id: captured.orderId, status: 'captured' }])
  })
  it('again and again until the broker has confirmed it, always under the same id', async () => {
    const order = command({ token: 'tok_timeout_after' })
    await desk.a.authorise(order)
    await desk.look()
    const tried: string[] = []
    const failing = async (_queue: string, messages: readonly { id: string }[]) => {
      tried.push(...messages.map((message) => message.id))
      throw new Error('the broker is away')
    }
    await expect(relay(failing)).rejects.toThrow('the broker is away')
    await expect(relay(failing)).rejects.toThrow('the broker is away')
    expect(await messages(order.orderId)).toHaveLength(1)
    await relay()
    expect(await messages(order.orderId)).toEqual([])
    const mine = sent.filter((message) => message.id.includes(order.orderId))
    expect(mine).toMatchObject([{ body: { type: 'payment.resolved', order_id: order.orderId, status: 'authorised' } }])
    expect(tried.filter((id) => id === mine[0]?.id)).toHaveLength(2)
    expect(await relay()).toBe('idle')
  })
  it('by another instance when the one that took the message died with it', async () => {
    const order = command({ token: 'tok_timeout_after' })
    await desk.a.authorise(order)
    await desk.look()
    let taken = () => {}
    const whenTaken = new Promise<void>((resolve) => {
      taken = resolve
    })
    void relay(() => {
      taken()
      return new Promise(() => {})
    })
    await whenTaken
    expect(await relay()).toBe('idle')
    await desk.db.query(sql`update outbox set due_at = now() - interval '1 second'`)
    await relay()
    expect(sent.filter((message) => message.id.includes(order.orderId))).toHaveLength(1)
  })
})
