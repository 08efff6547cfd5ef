import type { ServiceImplementation } from 'nice-grpc'
import type { EraseCustomerCommand, Erasure, PrivacyServiceDefinition } from '../gen/comanda/v1/privacy.ts'
import { isUnavailable } from '../platform/grpc.ts'
import { isName, isUuid } from '../platform/ids.ts'
import { type Answer, done, refused, toWire } from '../platform/outcome.ts'
import { askToErase, type Eraser, erase, PSEUDONYM } from './erase.ts'
import * as store from './erase-store.ts'

const MAX_PAGE = 200
/** Who asks waits so long; what is left after it is erased by the loop. */
const AT_ONCE_MS = 2_000
const NOTHING: store.Left = { erasable: 0, waiting: 0, waiting_ids: [] }

/** Erasing customers over gRPC. What is done in erase.ts, SQL in erase-store.ts. */
export function privacyService(eraser: Eraser): ServiceImplementation<PrivacyServiceDefinition> {
  const { db, idleMs, log } = eraser
  return {
    async eraseCustomers({ commands }) {
      const answers: Answer<Erasure>[] = []
      const until = performance.now() + AT_ONCE_MS
      for (const command of commands) answers.push(await eraseOne(command, until))
      return { outcomes: answers.map((answer) => toWire(answer, (erasure) => erasure)) }
    },
    async listErasures({ queries }) {
      const pages = queries.map(async ({ before, limit: asked }) => {
        const limit = Math.min(Math.max(asked, 1), MAX_PAGE)
        const erasures = await store.listErasures(db, { before: isUuid(before) ? before : '', limit })
        const next = erasures.length === limit ? (erasures.at(-1)?.id ?? '') : ''
        return { erasures: await Promise.all(erasures.map(erasureMessage)), next }
      })
      return { pages: await Promise.all(pages) }
    },
  }

  async function eraseOne({ userId, dryRun, reason, askedBy, requestId }: EraseCustomerCommand, until: number): Promise<Answer<Erasure>> {
    if (!isName(userId)) return refused('invalid_request', 'this can not be the id of a user')
    if (userId.startsWith(PSEUDONYM)) return refused('invalid_request', 'this is the pseudonym of somebody who was erased')
    if (reason === '' && !dryRun) return refused('invalid_request', 'an erasure needs a reason, for the record')
    if (dryRun) return done(message(undefined, await store.countLeft(db, { userId, before: undefined, idleMs })))
    const erasure = await askToErase(eraser, { userId, reason, askedBy, requestId })
    // It is written down: who asks is told how far it is, and the loop goes on when shipping can be reached.
    await erase(eraser, erasure, () => performance.now() < until).catch((error: Error) => {
      if (!isUnavailable(error)) throw error
      log.warn({ erasure_id: erasure.id, error: error.message }, 'the erasure does not go on now; tried again until it does')
    })
    return done(await erasureMessage((await store.getErasure(db, erasure.id)) ?? erasure))
  }

  async function erasureMessage(erasure: store.ErasureRow): Promise<Erasure> {
    const { user_id: userId, asked_at: before } = erasure
    return message(erasure, userId === null ? NOTHING : await store.countLeft(db, { userId, before, idleMs }))
  }
}

const message = (erasure: store.ErasureRow | undefined, left: store.Left): Erasure => ({
  ...{ id: erasure?.id ?? '', userId: erasure?.user_id ?? '', pseudonym: erasure?.pseudonym ?? '', reason: erasure?.reason ?? '' },
  ...{ askedBy: erasure?.asked_by ?? '', askedAt: erasure?.asked_at, endedAt: erasure?.ended_at ?? undefined },
  ...{ erased: erasure?.erased ?? 0, erasable: left.erasable, waiting: left.waiting, waitingOrderIds: left.waiting_ids },
})
