import { isIPv4, isIPv6 } from 'node:net'
import { unforeseen } from './unforeseen.ts'

/** The kinds of settings, and what each may be. */
export type Kind =
  | 'port'
  | 'http'
  | 'share'
  | 'file'
  | 'folder'
  | 'url'
  | 'broker'
  | 'secret'
  | 'host'
  | 'addresses'
  | 'integer'
  | 'days'
  | 'level'
  | 'flag'
  | 'terminal'
  | 'access'
  | 'word'

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** What is wrong with the value of a setting, in words; undefined when nothing is. */
export function problemWith(name: string, kind: Kind, value: string): string | undefined {
  const says = (wanted: string) => `${name} is "${value}", but must be ${wanted}`
  switch (kind) {
    case 'port':
      return /^\d{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= 65_535 ? undefined : says('a port from 1 to 65535')
    case 'integer':
      return /^\d{1,9}$/.test(value) && Number(value) > 0 ? undefined : says('a whole number above 0')
    case 'days':
      return /^\d{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= 36_500 ? undefined : says('a number of days from 1 to 36500')
    case 'url':
      return value === '' || (/^postgres(ql)?:\/\/.+/.test(value) && URL.canParse(value))
        ? undefined
        : `${name} must be a URL that starts with postgres://`
    case 'broker':
      // Its value holds a password: never shown.
      return value === 'postgres' || (/^amqps?:\/\/./.test(value) && URL.canParse(value))
        ? undefined
        : `${name} must be postgres, or start with amqp:// or amqps://`
    case 'http':
      return /^https?:\/\/./.test(value) && URL.canParse(value) ? undefined : says('a URL that starts with http:// or https://')
    case 'share':
      return /^(0|1|0?\.\d+)$/.test(value) ? undefined : says('a share from 0 to 1')
    // What is in it is looked at where it is read.
    case 'file':
    case 'secret':
      return undefined
    case 'level':
      return LEVELS.includes(value) ? undefined : says(`one of ${LEVELS.join(', ')}`)
    case 'flag':
      return value === 'on' || value === 'off' ? undefined : says('on or off')
    case 'terminal':
      return ['on', 'off', 'json'].includes(value) ? undefined : says('on, off or json')
    case 'access':
      return value === 'keys' ? undefined : says('open or keys')
    case 'folder':
      return value !== '' ? undefined : says('a folder')
    case 'addresses': {
      const wanted = addressesWanted(value)
      return wanted && says(wanted)
    }
    case 'word':
      return /^[\w-]*$/.test(value) ? undefined : says('one word')
    case 'host':
      return /\s/.test(value) ? says('an address without spaces') : undefined
    default:
      return unforeseen(kind)
  }
}

/** What several addresses must be instead; undefined when they are. */
function addressesWanted(value: string): string | undefined {
  if (/\s/.test(value)) return 'addresses without spaces'
  const addresses = value.split(',')
  if (addresses.length === 1) return undefined
  const hosts = addresses.map((address) => /^(.+):\d{1,5}$/.exec(address)?.[1]?.replace(/^\[(.+)\]$/, '$1') ?? '')
  if (hosts.every(isIPv4) || hosts.every(isIPv6)) return undefined
  return 'one host:port, or several ip:port of the same kind with commas between (a DNS name may itself have several addresses)'
}
