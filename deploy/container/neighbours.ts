import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts'
import { temporaryFolder } from '../../test/support/folder.ts'
import { hasRabbitmq, startRabbitmq } from '../../test/support/rabbitmq.ts'

/**
 * PostgreSQL and, where it is installed, RabbitMQ in the network of the containers: what compose.yaml takes from other images. Started by try.ts
 * within that network; prints where they are as one line of JSON, and ends when its standard input does.
 */
const dataDir = temporaryFolder('neighbours')
const postgres = await startEmbeddedPostgres({ dataDir, port: 5432, databases: ['tests'] })
const { password, port } = new URL(postgres.urls.tests ?? '')
const rabbitmq = hasRabbitmq() ? await startRabbitmq() : undefined
process.stdout.write(`${JSON.stringify({ postgres: { port, password }, rabbitmq: rabbitmq?.url ?? '' })}\n`)
process.stdin.resume()
await new Promise((resolve) => process.stdin.once('close', resolve))
await rabbitmq?.close()
await postgres.stop()
process.exit(0)
