import { setTimeout as delay } from 'node:timers/promises'
import { newId } from '../../platform/ids.ts'
import { unknown } from '../../platform/outcome.ts'
import { type Database, rows, sql } from '../../platform/postgres.ts'
import type { AuthoriseRequest, PaymentProvider, ProviderAnswer } from '../provider.ts'
import { approved, type ChargeRow, declined, findCharges, listCharges, lookUp, readRows } from './simulated-book.ts'
import { operate } from './simulated-operations.ts'

/** How a charge goes, by test token. Any other token, and none, works like tok_ok. */
type Behaviour = {
  decline?: { code: string; message: string }
  slow?: true
  /** The first call is lost on its way there: nothing was charged. */
  losesRequest?: true
  /** It charges, and the first call gets this instead of the answer. */
  losesAnswer?: string
  appearsLate?: true
  /** Added to the amount asked for. */
  wrongBy?: number
}
export const TEST_TOKENS: Record<string, Behaviour> = {
  tok_ok: {},
  tok_declined: { decline: { code: 'card_declined', message: 'the card was declined' } },
  tok_insufficient_funds: { decline: { code: 'insufficient_funds', message: 'the card has not enough funds' } },
  tok_expired_card: { decline: { code: 'expired_card', message: 'the card has expired' } },
  tok_slow: { slow: true },
  tok_timeout_before: { losesRequest: true },
  tok_timeout_after: { losesAnswer: 'timed out' },
  tok_error_500: { losesAnswer: 'the provider answered 500 Internal Server Error' },
  tok_late: { appearsLate: true },
  tok_wrong_amount: { wrongBy: 1 },
}
const behaviourOf = (token: string): Behaviour => (Object.hasOwn(TEST_TOKENS, token) ? (TEST_TOKENS[token] ?? {}) : {})

export type SimulatedOptions = {
  db: Database
  slowMs?: number
  lateMs?: number
  /** How long one call may take before it is answered as unknown. */
  budgetMs?: number
  /** How long slow ones may hold up the rest of their batch. */
  patienceMs?: number
  remembersKeysMs?: number
}

/** A provider that keeps its own book in the schema simulated_provider, and misbehaves on demand ({@link TEST_TOKENS}). */
export function simulatedProvider({
  db,
  slowMs = 1_500,
  lateMs = 3_000,
  budgetMs = 2_000,
  patienceMs = 250,
  // As long as the large providers promise; in fact it never forgets one.
  remembersKeysMs = 24 * 3_600_000,
}: SimulatedOptions): PaymentProvider {
  const lostOnce = new Set<string>()
  const isLost = ({ key, token }: AuthoriseRequest): boolean => {
    if (!behaviourOf(token).losesRequest || lostOnce.has(key)) return false
    lostOnce.add(key)
    return true
  }

  return {
    async authorise(requests) {
      const answers = new Map<AuthoriseRequest, ProviderAnswer>()
      const take = async (some: readonly AuthoriseRequest[]) => {
        const results = await charge(db, some, lateMs)
        for (const [i, request] of some.entries()) answers.set(request, results[i] as ProviderAnswer)
      }
      const arrived = requests.filter((request) => !isLost(request))
      const quick = arrived.filter(({ token }) => !behaviourOf(token).slow)
      const slow = arrived.filter(({ token }) => behaviourOf(token).slow)
      if (quick.length > 0) await take(quick)
      if (slow.length > 0) {
        const late = delay(slowMs, undefined, { ref: false })
          .then(() => take(slow))
          .catch(() => {})
        await Promise.race([late, delay(quick.length > 0 ? patienceMs : budgetMs, undefined, { ref: false })])
      }
      return requests.map((request) => answers.get(request) ?? unknown('timed out'))
    },
    capture: (requests) => operate(db, 'capture', requests),
    void: (requests) => operate(db, 'void', requests),
    refund: (requests) => operate(db, 'refund', requests),
    lookup: (keys) => lookUp(db, keys),
    readCharges: (keys) => findCharges(db, keys),
    listCharges: (page) => listCharges(db, page),
    remembersKeysMs,
  }
}

/** Charges what has no charge yet under its key. */
async function charge(db: Database, requests: readonly AuthoriseRequest[], lateMs: number): Promise<ProviderAnswer[]> {
  const list = requests.map(({ key, orderRef, token, amountMinor, currency }) => {
    const { decline, appearsLate, wrongBy = 0 } = behaviourOf(token)
    return {
      key,
      ref: `ch_${newId()}`,
      order_ref: orderRef,
      status: decline ? 'declined' : 'authorised',
      asked_minor: amountMinor,
      amount_minor: amountMinor + wrongBy,
      currency,
      decline_code: decline?.code ?? null,
      decline_message: decline?.message ?? null,
      late_ms: appearsLate ? lateMs : 0,
    }
  })
  const made = await db.query<ChargeRow>(sql`
    insert into simulated_provider.charges (key, ref, order_ref, status, asked_minor, amount_minor, currency, decline_code, decline_message, visible_at)
    select key, ref, order_ref, status, asked_minor, amount_minor, currency, decline_code, decline_message, now() + late_ms * interval '1 millisecond'
    from jsonb_to_recordset(${rows(list)}) as r(key text, ref text, order_ref text, status text, asked_minor bigint, amount_minor bigint,
      currency text, decline_code text, decline_message text, late_ms bigint)
    order by key on conflict (key) do nothing
    returning key, ref, order_ref, status, asked_minor, amount_minor, refunded_minor, currency, decline_code, decline_message, visible_at > now() as hidden`)
  const isNew = new Set(made.map((row) => row.key))
  const known = requests.map((request) => request.key).filter((key) => !isNew.has(key))
  const charges = new Map(made.map((row) => [row.key, row]))
  if (known.length > 0) for (const row of await readRows(db, known)) charges.set(row.key, row)
  return requests.map((request) => chargeAnswer(request, charges.get(request.key), isNew))
}

function chargeAnswer(request: AuthoriseRequest, row: ChargeRow | undefined, isNew: ReadonlySet<string>): ProviderAnswer {
  if (!row) return unknown('the book could not be read')
  if (row.order_ref !== request.orderRef || row.asked_minor !== request.amountMinor || row.currency !== request.currency) {
    return unknown('the key was used for another request')
  }
  if (row.hidden) return unknown('a request with this key is in progress')
  const { losesAnswer } = behaviourOf(request.token)
  if (losesAnswer && isNew.has(row.key)) return unknown(losesAnswer)
  return row.status === 'declined' ? declined(row) : approved(row)
}
