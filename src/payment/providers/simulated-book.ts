import { type Database, sql } from '../../platform/postgres.ts'
import { unforeseen } from '../../platform/unforeseen.ts'
import type { Charge, ChargeAnswer, ChargePage, LookupAnswer, ProviderAnswer } from '../provider.ts'

/** Reading the simulated provider's book: what it tells of its charges. */

export type ChargeRow = {
  key: string
  ref: string
  order_ref: string
  status: Charge['status']
  asked_minor: number
  amount_minor: number
  refunded_minor: number
  currency: string
  decline_code: string | null
  decline_message: string | null
  hidden: boolean
}

export const approved = (row: ChargeRow): ProviderAnswer => ({
  kind: 'approved',
  ref: row.ref,
  amountMinor: row.amount_minor,
  currency: row.currency,
})
export const declined = (row: ChargeRow): ProviderAnswer => ({
  kind: 'declined',
  code: row.decline_code ?? '',
  message: row.decline_message ?? '',
})

export function readRows(db: Database, keys: readonly string[]): Promise<ChargeRow[]> {
  return db.query<ChargeRow>(sql`
    select key, ref, order_ref, status, asked_minor, amount_minor, refunded_minor, currency, decline_code, decline_message, visible_at > now() as hidden
    from simulated_provider.charges where key = any(${keys}::text[])`)
}

export async function lookUp(db: Database, keys: readonly string[]): Promise<LookupAnswer[]> {
  const charges = new Map((await readRows(db, keys)).map((row) => [row.key, row]))
  return keys.map((key): LookupAnswer => {
    const row = charges.get(key)
    if (!row || row.hidden) return { kind: 'not_found' }
    switch (row.status) {
      case 'authorised':
      case 'captured':
        return approved(row)
      case 'declined':
        return declined(row)
      case 'voided':
        return { kind: 'declined', code: 'voided', message: 'the charge was voided' }
      default:
        return unforeseen(row.status)
    }
  })
}

export async function findCharges(db: Database, keys: readonly string[]): Promise<ChargeAnswer[]> {
  const charges = new Map((await readRows(db, keys)).map((row) => [row.key, row]))
  return keys.map((key): ChargeAnswer => {
    const row = charges.get(key)
    return !row || row.hidden ? { kind: 'not_found' } : { kind: 'charge', charge: chargeOf(row) }
  })
}

/** By the charges' refs, which sort by the time of their making. */
export async function listCharges(
  db: Database,
  { since, after, limit }: { since: Date | undefined; after: string | undefined; limit: number },
): Promise<ChargePage> {
  const from = after ?? (since ? refsFrom(since) : '')
  const found = await db.query<ChargeRow>(sql`
    select key, ref, order_ref, status, asked_minor, amount_minor, refunded_minor, currency, decline_code, decline_message, false as hidden
    from simulated_provider.charges where ref > ${from} and visible_at <= now() order by ref limit ${limit}::int`)
  return { charges: found.map(chargeOf), next: found.length === limit ? (found.at(-1)?.ref ?? null) : null }
}

/** Just below the first ref that can have been made at `time`: a UUIDv7 begins with its milliseconds, 48 bits of them. */
function refsFrom(time: Date): string {
  const hex = Math.max(0, time.getTime()).toString(16).padStart(12, '0')
  return `ch_${hex.slice(0, 8)}-${hex.slice(8)}-`
}

const chargeOf = (row: ChargeRow): Charge => ({
  key: row.key,
  ref: row.ref,
  status: row.status,
  amountMinor: row.amount_minor,
  capturedMinor: row.status === 'captured' ? row.amount_minor : 0,
  refundedMinor: row.refunded_minor,
  currency: row.currency,
})
