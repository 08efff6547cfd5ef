import type { Config } from '../platform/config.ts'
import type { Log } from '../platform/log.ts'
import type { Broker } from './broker.ts'
import { openPostgresBroker } from './postgres.ts'
import { openRabbitmqBroker } from './rabbitmq.ts'

/**
 * The broker that the settings name. Returns at once, whether it can be reached or not: it connects in the background, and again and again.
 * @throws when BROKER_URL is none that there is a broker for; never shows it, since it may hold a password.
 */
export function openBroker({ brokerUrl, databaseUrls, migrate }: Pick<Config, 'brokerUrl' | 'databaseUrls' | 'migrate'>, log: Log): Broker {
  if (brokerUrl === 'postgres') {
    if (databaseUrls.broker === '') throw new Error('the broker has no database: set BROKER_DATABASE_URL')
    return openPostgresBroker({ databaseUrl: databaseUrls.broker, migrate, log })
  }
  if (/^amqps?:/.test(brokerUrl) && URL.canParse(brokerUrl)) return openRabbitmqBroker({ url: brokerUrl, log })
  throw new Error('BROKER_URL must be postgres, or start with amqp:// or amqps://')
}
