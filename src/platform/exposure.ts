import type { Config } from './config.ts'

/** Whether only this machine can reach what listens there. */
export const isLoopback = (host: string): boolean => /^(127(\.\d+){3}|localhost|\[?::1\]?)$/.test(host)

/** @throws when others could reach a gateway that asks nobody who they are. */
export function refuseToBeOpen({ host, access }: Pick<Config['gateway'], 'host' | 'access'>): void {
  if (access === 'keys' || isLoopback(host)) return
  throw new Error(
    `GATEWAY_HOST is "${host}", where others can reach the gateway, and ACCESS is "open": set ACCESS=keys, and make a key with ` +
      '"comanda keys create --name first --scopes all" (or leave GATEWAY_HOST at 127.0.0.1); see docs/SECURITY.md',
  )
}
