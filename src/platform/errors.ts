/** The one catalogue of stable error codes; docs/ERRORS.md is checked against it both ways. */

export type ErrorEntry = { status: number; title: string; meaning: string }

export const ERRORS = {
  invalid_request: {
    status: 400,
    title: 'The request is not valid',
    meaning: 'Some fields are wrong; `errors` names each. Nothing was stored.',
  },
  invalid_json: {
    status: 400,
    title: 'The body is not valid JSON',
    meaning: 'The body could not be read as JSON, or holds `__proto__` or `constructor`.',
  },
  key_missing: {
    status: 401,
    title: 'An API key is needed',
    meaning: 'Send `Authorization: Bearer <key>`, or the key as `X-Api-Key`; the command line takes it from COMANDA_API_KEY.',
  },
  key_invalid: { status: 401, title: 'The API key is not valid', meaning: 'It was never made, or it was revoked.' },
  key_expired: { status: 401, title: 'The API key has expired', meaning: 'Make another with `comanda keys create`.' },
  payment_declined: { status: 402, title: 'The payment was declined', meaning: 'The order exists and is rejected; its stock is released.' },
  scope_missing: { status: 403, title: 'The API key is not for this', meaning: 'It lacks the scope that `detail` names.' },
  bound_key: {
    status: 403,
    title: 'The API key is bound to a user',
    meaning: "It places only that user's orders, without discounts. Others' orders are for it as if they were not there.",
  },
  foreign_page: {
    status: 403,
    title: 'Not for pages of other sites',
    meaning: 'Without keys (ACCESS=open) the gateway is for this machine: the Host is no loopback address, or the Origin is another site.',
  },
  not_found: { status: 404, title: 'There is nothing here', meaning: 'No route has this path, or no product this id.' },
  unknown_order: { status: 404, title: 'There is no such order', meaning: 'No order has this id.' },
  unknown_payment: { status: 404, title: 'There is no such payment', meaning: 'No payment has this id (it is the id of its order).' },
  faults_off: {
    status: 404,
    title: 'Faults on purpose are off',
    meaning: 'They are there only with COMANDA_FAULTS=on, never in production.',
  },
  unknown_reconciliation: {
    status: 404,
    title: 'There is no such reconciliation',
    meaning: 'No reconciliation has this id, or it is long ago.',
  },
  unknown_shipment: { status: 404, title: 'There is no such shipment', meaning: 'No shipment has this id.' },
  method_not_allowed: { status: 405, title: 'The path does not take this method', meaning: '`Allow` names those it takes.' },
  out_of_stock: { status: 409, title: 'Not enough stock', meaning: 'The order exists and is rejected; nothing is held or charged.' },
  product_discontinued: { status: 409, title: 'A product is not sold any more', meaning: 'The order exists and is rejected.' },
  currency_mismatch: {
    status: 409,
    title: 'The currencies differ',
    meaning: 'The order wants another currency than a product is sold in; it exists and is rejected.',
  },
  total_mismatch: {
    status: 409,
    title: 'The total is not the expected one',
    meaning: 'The order exists, is rejected and undone: `expected_total_minor` was another amount.',
  },
  carrier_refused: {
    status: 409,
    title: 'The carrier does not take it',
    meaning: 'The order exists, is rejected, and its payment and stock are undone.',
  },
  payment_method_limit: {
    status: 409,
    title: 'Too much for this payment method',
    meaning: 'Cash on delivery is taken up to 1,000.00; the order exists and is rejected.',
  },
  payment_token_not_allowed: {
    status: 409,
    title: 'This payment method takes no token',
    meaning: 'Cash on delivery needs no token; the order exists and is rejected.',
  },
  unknown_payment_method: {
    status: 400,
    title: 'There is no such payment method',
    meaning: 'The methods are credit_card, debit_card, paypal, bank_transfer, cash_on_delivery.',
  },
  order_rejected: { status: 409, title: 'The order was rejected', meaning: 'For a reason without a code of its own; `detail` has it.' },
  order_ended: { status: 409, title: 'The order has ended', meaning: 'A rejected order can not be cancelled.' },
  already_dispatched: { status: 409, title: 'The goods have left', meaning: 'After dispatch an order can not be cancelled.' },
  shipment_cancelled: { status: 409, title: 'The shipment was cancelled', meaning: 'A cancelled shipment can not be dispatched.' },
  not_created: {
    status: 409,
    title: 'The shipment is not booked yet',
    meaning: 'The carrier has not confirmed it; try again in a moment.',
  },
  not_dispatched: { status: 409, title: 'The shipment has not left yet', meaning: 'Dispatch it before it is delivered.' },
  not_dead: {
    status: 409,
    title: 'The order does not lie on the dead-letter desk',
    meaning: 'It goes on by itself or has ended; `GET /orders/{id}/explain` tells.',
  },
  stock_changed: {
    status: 409,
    title: 'The stock has changed',
    meaning: '`expected_on_hand` is not what is there; look again, then adjust.',
  },
  below_reserved: {
    status: 409,
    title: 'That is less than what is reserved',
    meaning: 'Orders hold more units than the count would leave.',
  },
  product_exists: { status: 409, title: 'The product exists already', meaning: 'Another product has this id.' },
  too_many_faults: {
    status: 409,
    title: 'There are too many faults already',
    meaning: 'A service holds at most 100 faults on purpose; clear some.',
  },
  request_timeout: { status: 408, title: 'The request took too long to arrive', meaning: 'Headers have 10 seconds, the whole request 15.' },
  body_too_large: { status: 413, title: 'The body is too large', meaning: 'A body has at most 64 KiB.' },
  unsupported_media_type: { status: 415, title: 'The body must be JSON', meaning: 'Send `content-type: application/json`.' },
  unknown_product: {
    status: 422,
    title: 'There is no such product',
    meaning: 'Of an order for it nothing is stored (unless inventory was down: then the order exists and is rejected).',
  },
  unknown_location: { status: 422, title: 'There is no stock at this location', meaning: 'Receive stock there before it is counted.' },
  idempotency_key_reused: {
    status: 422,
    title: 'The Idempotency-Key came with another body before',
    meaning: 'A key is for one order; use a new one.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests with this key, or from this address',
    meaning: 'Nothing was done; try again after `Retry-After` seconds.',
  },
  headers_too_large: { status: 431, title: 'The headers are too large', meaning: 'All headers together have at most 16 KiB.' },
  internal_error: {
    status: 500,
    title: 'Something went wrong here',
    meaning: 'A fault of ours, logged under `request_id`. Ask again with the same Idempotency-Key.',
  },
  unavailable: {
    status: 503,
    title: 'A service can not be reached',
    meaning: 'What became of the request may be unknown: send it again with the same Idempotency-Key.',
  },
  not_taking_orders: {
    status: 503,
    title: 'No orders are taken now',
    meaning: 'Nothing was stored; send it again later with the same Idempotency-Key. All else goes on.',
  },
  overloaded: { status: 503, title: 'Too many requests', meaning: 'Nothing was stored; try again after `Retry-After` seconds.' },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code)
