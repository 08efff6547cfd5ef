import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { askForRuns, claimRun, keepRun, type Run, readRuns, scheduleRun } from '../../src/payment/reconcile/run-store.ts'
import { runOnce } from '../../src/payment/reconcile/runs.ts'
import { newId } from '../../src/platform/ids.ts'
import { sql } from '../../src/platform/postgres.ts'
import { command, openDesk } from './desk.ts'

let desk: Awaited<ReturnType<typeof openDesk>>
beforeAll(async () => {
  desk = await openDesk()
})
beforeEach(async () => {
  await desk.db.query(sql`delete from reconciliations`)
})
afterAll(() => desk.drop())

const HOUR = 3_600_000
const all = () =>
  desk.db.query<Run>(sql`select id, kind, since, tries, began_at, ended_at, error, report from reconciliations order by requested_at, id`)
const ask = async (changes: { since?: Date; dryRun?: boolean } = {}) => {
  const id = newId()
  await askForRuns(desk.db, [{ id, since: null, dryRun: false, ...changes }])
  return id
}
const read = async (id: string) => (await readRuns(desk.db, [id])).get(id) as Run
const down = () => desk.with(() => ({ listCharges: () => Promise.reject(new Error('connection refused')) })).context
/** No scheduled run comes in between. */
const asked = (context = desk.a.context) => runOnce(context, HOUR)

describe('the schedule', () => {
  it('makes one run however many replicas there are, and the next when its time has come', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, i) => scheduleRun((i % 2 ? desk.a : desk.b).context.db, HOUR)))
    expect(await all()).toHaveLength(1)
    await runOnce(desk.a.context, HOUR)
    await runOnce(desk.b.context, HOUR)
    expect(await all()).toMatchObject([{ kind: 'scheduled', tries: 1, report: { counts: { raised: 0 } } }])
    await desk.db.query(sql`update reconciliations set requested_at = now() - interval '61 minutes'`)
    await scheduleRun(desk.db, HOUR)
    expect(await all()).toHaveLength(2)
  })
  it('looks back to where the last good run began, with an overlap, and past one that failed', async () => {
    await runOnce(desk.a.context, HOUR)
    const [good] = await all()
    await desk.db.query(sql`update reconciliations set requested_at = now() - interval '3 hours', began_at = now() - interval '3 hours'`)
    await scheduleRun(desk.db, HOUR)
    await desk.db.query(
      sql`update reconciliations set ended_at = now(), error = 'x', requested_at = now() - interval '2 hours' where ended_at is null`,
    )
    await scheduleRun(desk.db, HOUR)
    const [row] = await desk.db.query<{ minutes: number }>(sql`
      select round(extract(epoch from now() - since) / 60)::int as minutes from reconciliations where ended_at is null`)
    expect([good?.kind, row?.minutes]).toEqual(['scheduled', 190])
  })
  it('forgets runs of last month', async () => {
    await desk.db.query(sql`
      insert into reconciliations (id, kind, requested_at, ended_at) values (${newId()}, 'asked', now() - interval '31 days', now())`)
    await scheduleRun(desk.db, HOUR)
    expect(await all()).toMatchObject([{ kind: 'scheduled' }])
  })
})

describe('a run', () => {
  it('that is asked for twice under one id runs once', async () => {
    await scheduleRun(desk.db, HOUR)
    await asked()
    const id = await ask({ dryRun: true })
    await askForRuns(desk.db, [{ id, since: new Date(), dryRun: false }])
    expect([await asked(), await asked(desk.b.context)]).toEqual(['more', 'idle'])
    expect(await read(id)).toMatchObject({ tries: 1, dry_run: true, since: null })
  })
  it('whose process died is run again by another, and the first can not go on', async () => {
    const id = await ask()
    const dead = (await claimRun(desk.db)) as Run
    expect(await claimRun(desk.b.context.db)).toBeUndefined()
    await desk.db.query(sql`update reconciliations set lease_until = now() - interval '1 second' where id = ${id}`)
    const other = (await claimRun(desk.b.context.db)) as Run
    await expect(keepRun(desk.db, dead)).rejects.toThrow('taken this reconciliation over')
    await keepRun(desk.db, other)
    expect([dead.id, other.id, other.tries]).toEqual([id, id, 2])
  })
  it('keeps its lease while it goes on', async () => {
    await scheduleRun(desk.db, HOUR)
    await asked()
    const id = await ask()
    const slow = desk.with((provider) => ({
      listCharges: async (page) => {
        await desk.db.query(sql`update reconciliations set lease_until = now() + interval '1 second' where id = ${id}`)
        return provider.listCharges(page)
      },
    }))
    await asked(slow.context)
    const [row] = await desk.db.query<{ s: number }>(sql`
      select extract(epoch from lease_until - ended_at)::float8 as s from reconciliations where id = ${id}`)
    expect(row?.s).toBeGreaterThan(10)
  })
  it('that fails is tried again later, five times, and then says why', async () => {
    await scheduleRun(desk.db, HOUR)
    await asked()
    const id = await ask()
    for (let i = 1; i <= 5; i++) {
      await asked(down())
      expect([await asked(down()), (await read(id)).tries]).toEqual(['idle', i])
      await desk.db.query(sql`update reconciliations set lease_until = now() where id = ${id} and ended_at is null`)
    }
    expect(await read(id)).toMatchObject({ tries: 5, error: 'connection refused', report: null, ended_at: expect.any(Date) })
  })
  it('that failed once and then went well shows its report and no error', async () => {
    await scheduleRun(desk.db, HOUR)
    await asked()
    const order = command()
    await desk.a.authorise(order)
    const id = await ask()
    await asked(down())
    await desk.db.query(sql`update reconciliations set lease_until = now() where id = ${id}`)
    await asked()
    expect(await read(id)).toMatchObject({ error: null, report: { charges: expect.any(Number), counts: { raised: 0 } } })
  })
})
