/**
 * Bugs planted on purpose, one at a time, to prove that the tests would find them: the promises are only as good as what checks them.
 * Each changes one place in one file of `src`, and names the test that must fail then. The product itself knows nothing of them.
 */
export type Mutant = {
  name: string
  /** What goes wrong in a system with this bug. */
  harm: string
  file: string
  /** Exactly once in the file. */
  find: string
  replace: string
  /** A test file, and a part of the name of the test that fails. */
  caughtBy: { file: string; test: string }
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'stock is looked at without a lock',
    harm: 'two buyers are promised the last unit',
    file: 'src/inventory/store.ts',
    find: 'order by product_id, location_id for update`)',
    replace: 'order by product_id, location_id`)',
    caughtBy: { file: 'test/inventory/reserve.test.ts', test: 'sells the last unit to exactly one of two that race for it, every time' },
  },
  {
    name: 'a release before the reserve leaves no tombstone',
    harm: 'a late reserve holds stock for an order that has ended',
    file: 'src/inventory/store.ts',
    find: 'if (unseen.length > 0) {',
    replace: 'if (unseen.length > 1e9) {',
    caughtBy: {
      file: 'test/inventory/release-commit.test.ts',
      test: 'before the reserve came leaves a tombstone: the late reserve is refused',
    },
  },
  {
    name: 'a second release gives the stock back again',
    harm: 'more is free than there is',
    file: 'src/inventory/store.ts',
    find: "filter((row) => row.status === 'held' && row.committed_locations.length === 0)",
    replace: 'filter((row) => row.items.length > 0)',
    caughtBy: { file: 'test/inventory/release-commit.test.ts', test: 'twice gives back once, in one batch and in two' },
  },
  {
    name: 'a repeated reserve decides anew',
    harm: 'one order holds its goods twice',
    file: 'src/inventory/store.ts',
    find: 'for (const [orderId, row] of known) decided.set(orderId, storedDecision(row))',
    replace: 'for (const [orderId, row] of known) if (row.status === "refused") decided.set(orderId, storedDecision(row))',
    caughtBy: { file: 'test/inventory/reserve.test.ts', test: 'gives the stored answer to a repeat, with the prices of that time' },
  },
  {
    name: 'a repeated commit takes the goods again',
    harm: 'stock leaves the books that never left the house',
    file: 'src/inventory/store.ts',
    find: 'locationIds.includes(part.location_id) && !row.committed_locations.includes(part.location_id)',
    replace: 'locationIds.includes(part.location_id)',
    caughtBy: {
      file: 'test/inventory/release-commit.test.ts',
      test: 'of one location again, while the other still holds, takes nothing more',
    },
  },
  {
    name: 'orders of one batch do not see what the others take',
    harm: 'oversold within a batch',
    file: 'src/inventory/stock.ts',
    find: 'free.take(item.productId, allocation)',
    replace: '',
    caughtBy: { file: 'test/inventory/stock.test.ts', test: 'lets the second order of a batch see what the first has taken' },
  },
  {
    name: 'the ledger misses what is released',
    harm: 'stock can not be explained from its movements',
    file: 'src/inventory/store.ts',
    find: 'insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta, order_id)\n    select r.product_id, r.location_id, ${kind}::text, r.quantity * ${on_hand}::int, r.quantity * ${reserved}::int, r.order_id\n    from jsonb_to_recordset(${all}) as r(product_id text, location_id text, quantity bigint, order_id uuid)`)',
    replace:
      "insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta, order_id)\n    select r.product_id, r.location_id, ${kind}::text, r.quantity * ${on_hand}::int, r.quantity * ${reserved}::int, r.order_id\n    from jsonb_to_recordset(${all}) as r(product_id text, location_id text, quantity bigint, order_id uuid) where ${kind}::text <> 'released'`)",
    caughtBy: { file: 'test/inventory/release-commit.test.ts', test: 'twice gives back once, in one batch and in two' },
  },
  {
    name: 'a new key for each try at the provider',
    harm: 'a customer is charged twice',
    file: 'src/payment/provider.ts',
    find: 'authorise: (orderId: string) => `auth:${orderId}`,',
    replace: 'authorise: (orderId: string) => `auth:${orderId}:${Math.random()}`,',
    caughtBy: { file: 'test/payment/authorise.test.ts', test: 'because the process died after the charge is found by the next process' },
  },
  {
    name: 'a failure of the provider is read as a decline',
    harm: 'money is kept for an order that was rejected',
    file: 'src/payment/provider.ts',
    find: 'return items.map(() => unknown(`the payment provider failed: ${(error as Error).message}`))',
    replace: 'return items.map(() => ({ kind: "declined", code: "error", message: (error as Error).message })) as never',
    caughtBy: { file: 'test/payment/authorise.test.ts', test: 'because the whole call threw after charging is unknown, never failed' },
  },
  {
    name: '"not found" at the provider is final at once',
    harm: 'a charge that appears later is kept',
    file: 'src/payment/void.ts',
    find: 'else if (old.has(orderId)) neverCharged.add(orderId)',
    replace: 'else if (old) neverCharged.add(orderId)',
    caughtBy: { file: 'test/payment/void.test.ts', test: 'does not take "not found" for final before the bound, and does after it' },
  },
  {
    name: 'a void before the authorise leaves no tombstone',
    harm: 'a late authorise takes the money of a cancelled order',
    file: 'src/payment/void.ts',
    find: 'if (unseen.length > 0) await store.writeTombstones(db, unseen)',
    replace: '',
    caughtBy: {
      file: 'test/payment/void.test.ts',
      test: 'before the authorise leaves a tombstone: the late authorise is refused and nothing is charged',
    },
  },
  {
    name: 'the amount that the provider holds is trusted',
    harm: 'a customer pays another amount than he was told',
    file: 'src/payment/payment.ts',
    find: '(answer.amountMinor !== payment.amount_minor || answer.currency !== payment.currency)',
    replace: 'false',
    caughtBy: { file: 'test/payment/payment.test.ts', test: 'never authorises what was to be voided, nor another amount or currency' },
  },
  {
    name: 'a payment of which the answer was lost is asked for anew without looking first',
    harm: 'a provider that has forgotten the key charges a second time',
    file: 'src/payment/resolve.ts',
    find: 'const found = await lookUp(context, waiting)\n  const missing',
    replace:
      'const found = new Map(waiting.map((one) => [one.order_id, { kind: "not_found" as const }] as [string, LookupAnswer]))\n  const missing',
    caughtBy: {
      file: 'test/payment/authorise.test.ts',
      test: 'is looked up before it is asked again: a provider forgets its keys after a day, its charges never',
    },
  },
  {
    name: 'a shipment cancelled before it was asked for leaves no tombstone',
    harm: 'goods leave for a cancelled order',
    file: 'src/shipping/store.ts',
    find: "select order_id, 'cancelled' from jsonb_to_recordset(${rows(unique.map((order_id) => ({ order_id })))}) as r(order_id uuid) order by order_id",
    replace:
      "select order_id, 'cancelled' from jsonb_to_recordset(${rows(unique.map((order_id) => ({ order_id })))}) as r(order_id uuid) where false order by order_id",
    caughtBy: { file: 'test/shipping/create.test.ts', test: 'is refused after a cancel that came first' },
  },
  {
    name: 'a booking that ends after the cancel counts',
    harm: 'goods leave for a cancelled order',
    file: 'src/shipping/store.ts',
    find: "where order_id = any(${[...booked.keys()]}::uuid[]) and status = 'requested' order by order_id for update",
    replace: 'where order_id = any(${[...booked.keys()]}::uuid[]) order by order_id for update',
    caughtBy: { file: 'test/shipping/create.test.ts', test: 'is refused when the order is cancelled while the carrier books it' },
  },
  {
    name: 'a dispatch counts as told when the broker has it',
    harm: 'a broker that forgets loses a dispatch: the money of goods that left is never taken',
    file: 'src/shipping/fact-relay.ts',
    find: 'await store.markPublished(db, published)',
    replace: 'await store.markTold(db, published)',
    caughtBy: { file: 'test/shipping/relay.test.ts', test: 'that the broker has forgotten is told directly, until orders knows it' },
  },
  {
    name: 'orders are written whatever version they have',
    harm: 'a cancel is overwritten by a confirm that had begun before',
    file: 'src/orders/store.ts',
    find: 'where o.id = c.id and o.version = c.version and o.epoch = c.epoch',
    replace: 'where o.id = c.id and o.epoch = c.epoch',
    caughtBy: { file: 'test/orders/store.test.ts', test: 'from another version writes neither the change nor the event' },
  },
  {
    name: 'no fencing',
    harm: 'a process that was paused undoes what its successor finished',
    file: 'src/orders/store.ts',
    find: 'where o.id = c.id and o.version = c.version and o.epoch = c.epoch',
    replace: 'where o.id = c.id and o.version = c.version',
    caughtBy: { file: 'test/orders/store.test.ts', test: 'from another epoch writes neither the change nor the event' },
  },
  {
    name: 'the same key with another body gets the old order',
    harm: 'a client believes that its new order was placed',
    file: 'src/orders/accept.ts',
    find: "if (existing.fingerprint !== Buffer.from(command.fingerprint).toString('base64url')) {",
    replace: 'if (existing.fingerprint === "never") {',
    caughtBy: { file: 'test/orders/accept.test.ts', test: 'refuses the same key with another body and stores nothing' },
  },
  {
    name: 'an order is accepted before it is on disk',
    harm: 'an answered order is lost',
    file: 'src/orders/accept.ts',
    find: 'await store.acceptOrders(db, fresh, around.leaseMs)',
    replace:
      'await store.acceptOrders(db, fresh, around.leaseMs).catch(() => fresh.map(({ id }) => ({ id, created_at: new Date(), due_at: new Date() })))',
    caughtBy: { file: 'test/orders/accept.test.ts', test: 'answers nothing when they could not be written' },
  },
  {
    name: 'a rejected order keeps its stock',
    harm: 'stock is held for ever',
    file: 'src/orders/order.ts',
    find: "      return ['inventory']\n",
    replace: '      return []\n',
    caughtBy: { file: 'test/orders/place-order.test.ts', test: 'releases the stock when the card is declined' },
  },
  {
    name: 'an unknown outcome is taken for a refusal',
    harm: 'the order is rejected and the money is kept',
    file: 'src/orders/place-order.ts',
    find: "if (outcome.kind === 'refused') return reject(",
    replace: "if (outcome.kind !== 'unavailable') return reject(",
    caughtBy: { file: 'test/orders/place-order.test.ts', test: 'placing an order' },
  },
  {
    name: 'what was left lying is taken up by two at once',
    harm: 'two processes work on one order without knowing',
    file: 'src/orders/store.ts',
    find: "update orders o set epoch = epoch + 1, due_at = now() + ${leaseMs} * interval '1 ms'\n    from due where o.id = due.id",
    replace: "update orders o set due_at = now() + ${leaseMs} * interval '1 ms'\n    from due where o.id = due.id",
    caughtBy: { file: 'test/orders/store.test.ts', test: 'makes the former owner’s writes void' },
  },
  {
    name: 'one bad item fails its neighbours',
    harm: 'an order fails because of a stranger in its batch',
    file: 'src/platform/batched.ts',
    find: 'if (result instanceof Error) waiting.reject(result)',
    replace: 'if (results.some((one) => one instanceof Error)) waiting.reject(result)',
    caughtBy: { file: 'test/platform/batched.test.ts', test: 'rejects only the item whose own result is an error' },
  },
  {
    name: 'answers of a batch go to the wrong items',
    harm: 'a customer is told of the order of another',
    file: 'src/platform/batched.ts',
    find: 'const result = results[i] as ItemResult<O>',
    replace: 'const result = results[results.length - 1 - i] as ItemResult<O>',
    caughtBy: {
      file: 'test/platform/batched.test.ts',
      test: 'gives every item its own result and never exceeds its limits, whatever the sizes',
    },
  },
  {
    name: 'a transaction that was rolled back counts as committed',
    harm: 'an answered order is lost',
    file: 'src/platform/postgres.ts',
    find: "await Promise.all(sent)\n    // PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, not with an error.\n    if ((await commit).command !== 'COMMIT') throw new Error('the transaction was rolled back')",
    replace: 'await commit',
    caughtBy: {
      file: 'test/platform/postgres.test.ts',
      test: 'is an error when PostgreSQL answers the commit with a rollback, even if the work swallowed the failure',
    },
  },
  {
    name: 'the gateway makes a new order when it tries again',
    harm: 'a restart of orders doubles an order',
    file: 'src/gateway/place.ts',
    find: 'return await openStream(orders.placeOrders({ commands }',
    replace:
      'return await openStream(orders.placeOrders({ commands: commands.map((command) => ({ ...command, orderId: crypto.randomUUID() })) }',
    caughtBy: { file: 'test/gateway/place.test.ts', test: 'before the first message, the same commands are sent again under the same ids' },
  },
  {
    name: 'a message is gone before it was handled',
    harm: 'a parked order or a dispatch is forgotten by the broker',
    file: 'src/broker/postgres-consumer.ts',
    find: 'const verdicts = await judge({',
    replace: "await store.settle(claim, deliveries.map(({ id }) => ({ id, do: 'ack' as const })))\n    const verdicts = await judge({",
    caughtBy: { file: 'test/broker/postgres.test.ts', test: 'that throw get their messages again' },
  },
  {
    name: 'a bound key sees the orders of all users',
    harm: 'customers read and cancel the orders of others',
    file: 'src/gateway/access/caller.ts',
    find: 'caller?.userId === undefined || caller.userId === userId',
    replace: 'caller?.userId === undefined || userId !== ""',
    caughtBy: { file: 'test/gateway/bound-keys.test.ts', test: 'is in no list' },
  },
  {
    name: 'while orders is down the id of a key is enough',
    harm: 'who has seen a key in a list comes in with any secret',
    file: 'src/gateway/access/key-memory.ts',
    find: 'if (!entry || !isSame(entry, credential) || now() - entry.verifiedAt > staleMs) throw error',
    replace: 'if (!entry || now() - entry.verifiedAt > staleMs) throw error',
    caughtBy: { file: 'test/gateway/key-memory.test.ts', test: 'does not open the door to another secret whose question was under way' },
  },
  {
    name: 'a key is remembered for ever while orders is down',
    harm: 'a revoked key works as long as its holder keeps the gateway from orders',
    file: 'src/gateway/access/key-memory.ts',
    find: '!isSame(entry, credential) || now() - entry.verifiedAt > staleMs) throw error',
    replace: '!isSame(entry, credential)) throw error',
    caughtBy: { file: 'test/gateway/key-memory.test.ts', test: 'goes on working while orders is down, and no longer than its time' },
  },
]
