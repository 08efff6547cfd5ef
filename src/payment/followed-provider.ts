import { followCalls } from '../platform/followed.ts'
import type { MoveRequest, PaymentProvider } from './provider.ts'

/** `auth:<order>`, `refund:<order>:<refund>`. */
const orderOfAnyKey = (key: string) => key.split(':')[1] ?? ''
const ofRequest = ({ key }: Pick<MoveRequest, 'key'>) => orderOfAnyKey(key)

/** The provider, with a span around each of its answers about these orders; as it was while nothing is traced. */
export function followedProvider(
  provider: PaymentProvider,
  commands: readonly { orderId: string; traceparent?: string }[],
): PaymentProvider {
  const follow = followCalls(commands)
  if (!follow) return provider
  return {
    authorise: follow('provider authorise', (requests) => provider.authorise(requests), ofRequest),
    capture: follow('provider capture', (requests) => provider.capture(requests), ofRequest),
    void: follow('provider void', (requests) => provider.void(requests), ofRequest),
    refund: follow('provider refund', (requests) => provider.refund(requests), ofRequest),
    lookup: follow('provider lookup', (keys) => provider.lookup(keys), orderOfAnyKey),
    readCharges: follow('provider read charges', (keys) => provider.readCharges(keys), orderOfAnyKey),
    listCharges: (page) => provider.listCharges(page),
    remembersKeysMs: provider.remembersKeysMs,
  }
}
