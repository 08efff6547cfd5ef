/** Where a broker is, `host:port`, without what opens it: for people. @param url of a RabbitMQ. */
export function brokerAddress(url: string): string {
  const { hostname, port, protocol } = new URL(url)
  return `${hostname}:${port || (protocol === 'amqps:' ? 5671 : 5672)}`
}
