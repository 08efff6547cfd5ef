import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

/** deploy/compose.yaml, as far as the services of Comanda use it. */
export type ComposeService = {
  command: string[]
  environment: Record<string, string>
  depends_on?: Record<string, { condition: string }>
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  tmpfs?: string[]
  mem_limit?: string
  stop_grace_period?: string
  healthcheck?: { test: string[] }
  image?: string
  restart?: string
  build?: { context: string; dockerfile: string }
  ports?: string[]
  volumes?: string[]
}

export const OUR_SERVICES = ['migrate', 'orders', 'inventory', 'payment', 'shipping', 'gateway'] as const
export type OurService = (typeof OUR_SERVICES)[number]

/** All services of the file, with anchors and merges resolved. */
export function readCompose(): Record<string, ComposeService> {
  const text = readFileSync(new URL('../compose.yaml', import.meta.url), 'utf8')
  return (parse(text, { merge: true }) as { services: Record<string, ComposeService> }).services
}

/** `${NAME}`, `${NAME:-default}` and `${NAME:?message}`, as compose fills them in. */
export const fillIn = (value: string, variables: Record<string, string>): string =>
  value.replace(/\$\{(\w+)(?::[-?]([^}]*))?\}/g, (_all, name: string, otherwise = '') => variables[name] ?? otherwise)

/** The arguments of `podman run` that mean the same; `environment` is filled in already. */
export function podmanArguments(service: ComposeService, environment: Record<string, string>): string[] {
  return [
    ...(service.read_only ? ['--read-only', '--read-only-tmpfs=false'] : []),
    ...(service.cap_drop ?? []).map((name) => `--cap-drop=${name}`),
    ...(service.security_opt ?? []).map((option) => `--security-opt=${option.replace(/:true$/, '')}`),
    ...(service.tmpfs ?? []).map((folder) => `--tmpfs=${folder}`),
    ...(service.mem_limit ? [`--memory=${service.mem_limit}`] : []),
    ...Object.entries(environment).map(([name, value]) => `--env=${name}=${value}`),
  ]
}
