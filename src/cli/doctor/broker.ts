import { brokerAddress } from '../../platform/broker-address.ts'
import type { Config } from '../../platform/config.ts'
import { bad, type Finding, fine } from './finding.ts'

const PATIENCE_MS = 3_000

/** RabbitMQ, when the settings name one: whether it lets us in. (The broker in PostgreSQL is among the databases.) */
export async function checkBroker({ brokerUrl }: Pick<Config, 'brokerUrl'>): Promise<Finding[]> {
  if (brokerUrl === 'postgres') return []
  const address = brokerAddress(brokerUrl)
  // Loaded here only: every other command starts without a RabbitMQ client.
  const { connect } = await import('amqplib')
  try {
    const connection = await connect(brokerUrl, { timeout: PATIENCE_MS })
    connection.on('error', () => {})
    const { product, version } = connection.connection.serverProperties
    await connection.close()
    return [fine('broker', `${product} ${version} at ${address}`)]
  } catch (error) {
    const advice = 'orders are taken all the same, and go on more slowly after an outage; start it, or see BROKER_URL'
    return [bad('broker', `does not let us in at ${address}: ${(error as Error).message}`, advice)]
  }
}
