import type { Channel, ChannelModel } from 'amqplib'

/** Runs `work` on a channel of its own and closes it; what was taken from a queue there and not acknowledged goes back. */
export async function withChannel<T>(connection: ChannelModel, work: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = await connection.createChannel()
  channel.on('error', () => {}) // told by the call that failed
  try {
    return await work(channel)
  } finally {
    await closeChannel(channel)
  }
}

/** Resolves when it is closed, by whomever: when the connection ends in the middle, `close()` alone would never settle. */
export async function closeChannel(channel: Channel): Promise<void> {
  const closed = new Promise((resolve) => channel.once('close', resolve))
  try {
    await Promise.race([closed, channel.close()])
  } catch {} // it was closed before
}
