import { unknown } from '../../platform/outcome.ts'
import { type Database, rows, sql, type Transaction } from '../../platform/postgres.ts'
import { unforeseen } from '../../platform/unforeseen.ts'
import type { ProviderAnswer } from '../provider.ts'
import type { ChargeRow } from './simulated-book.ts'

type Kind = 'capture' | 'void' | 'refund'
type Request = { key: string; ref: string; amountMinor?: number; currency?: string }
type Operation = {
  key: string
  kind: Kind
  ref: string
  amount_minor: number | null
  currency: string | null
  decline_code: string | null
  decline_message: string | null
}
type Charge = Pick<ChargeRow, 'ref' | 'status' | 'amount_minor' | 'refunded_minor' | 'currency'>

/** Captures, voids or refunds charges in the simulated provider's book, once per key. */
export function operate(db: Database, kind: Kind, requests: readonly Request[]): Promise<ProviderAnswer[]> {
  return db.transaction(
    async (tx) => {
      // The look at earlier operations comes after the locks, so it sees what the lock's holder wrote.
      const [charges, operations] = await Promise.all([lockCharges(tx, requests), readOperations(tx, requests)])
      const fresh: Operation[] = []
      const answers = requests.map((request) => {
        const charge = charges.get(request.ref)
        let operation = operations.get(request.key)
        if (!operation) {
          operation = decide(kind, request, charge)
          if (charge && operation.decline_code === null) apply(kind, charge, request)
          operations.set(request.key, operation)
          fresh.push(operation)
        }
        return answerOf(operation, { kind, request, charge })
      })
      if (fresh.length > 0) write(tx, [...charges.values()], fresh)
      return answers
    },
    { retryOn: ['23505'] },
  )
}

function decide(kind: Kind, { key, ref, amountMinor, currency }: Request, charge: Charge | undefined): Operation {
  const operation = { key, kind, ref, amount_minor: amountMinor ?? null, currency: currency ?? null }
  const problem = problemWith(kind, charge, { amountMinor: amountMinor ?? 0, currency })
  return {
    ...operation,
    decline_code: problem ?? null,
    decline_message: problem ? `the ${kind} was declined: ${problem.replaceAll('_', ' ')}` : null,
  }
}

function problemWith(
  kind: Kind,
  charge: Charge | undefined,
  { amountMinor, currency }: { amountMinor: number; currency: string | undefined },
): string | undefined {
  if (!charge) return 'no_such_charge'
  if (currency !== undefined && currency !== charge.currency) return 'wrong_currency'
  switch (kind) {
    case 'capture':
      if (charge.status !== 'authorised') return `charge_${charge.status}`
      return amountMinor === charge.amount_minor ? undefined : 'wrong_amount'
    case 'void':
      return charge.status === 'authorised' || charge.status === 'voided' ? undefined : `charge_${charge.status}`
    case 'refund':
      if (charge.status !== 'captured') return `charge_${charge.status}`
      return amountMinor > 0 && charge.refunded_minor + amountMinor <= charge.amount_minor ? undefined : 'too_large'
    default:
      return unforeseen(kind)
  }
}

function apply(kind: Kind, charge: Charge, { amountMinor = 0 }: Request): void {
  if (kind === 'capture') charge.status = 'captured'
  else if (kind === 'void') charge.status = 'voided'
  else charge.refunded_minor += amountMinor
}

function answerOf(
  operation: Operation,
  { kind, request, charge }: { kind: Kind; request: Request; charge: Charge | undefined },
): ProviderAnswer {
  const isSame = operation.kind === kind && operation.ref === request.ref && operation.amount_minor === (request.amountMinor ?? null)
  if (!isSame) return unknown('the key was used for another request')
  if (operation.decline_code !== null || !charge) {
    return { kind: 'declined', code: operation.decline_code ?? '', message: operation.decline_message ?? '' }
  }
  return { kind: 'approved', ref: charge.ref, amountMinor: operation.amount_minor ?? charge.amount_minor, currency: charge.currency }
}

async function lockCharges(tx: Transaction, requests: readonly Request[]): Promise<Map<string, Charge>> {
  const found = await tx.query<Charge>(sql`
    select ref, status, amount_minor, refunded_minor, currency from simulated_provider.charges
    where ref = any(${requests.map((request) => request.ref)}::text[]) order by ref for update`)
  return new Map(found.map((charge) => [charge.ref, charge]))
}

async function readOperations(tx: Transaction, requests: readonly Request[]): Promise<Map<string, Operation>> {
  const found = await tx.query<Operation>(sql`
    select key, kind, ref, amount_minor, currency, decline_code, decline_message from simulated_provider.operations
    where key = any(${requests.map((request) => request.key)}::text[])`)
  return new Map(found.map((operation) => [operation.key, operation]))
}

function write(tx: Transaction, charges: readonly Charge[], operations: readonly Operation[]): void {
  tx.write(sql`
    update simulated_provider.charges c set status = r.status, refunded_minor = r.refunded_minor
    from jsonb_to_recordset(${rows(charges)}) as r(ref text, status text, refunded_minor bigint) where c.ref = r.ref`)
  tx.write(sql`
    insert into simulated_provider.operations (key, kind, ref, amount_minor, currency, decline_code, decline_message)
    select key, kind, ref, amount_minor, currency, decline_code, decline_message
    from jsonb_to_recordset(${rows(operations)})
      as r(key text, kind text, ref text, amount_minor bigint, currency text, decline_code text, decline_message text)`)
}
