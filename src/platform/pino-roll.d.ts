declare module 'pino-roll' {
  import type { SonicBoom } from 'sonic-boom'
  const build: (options: Record<string, unknown>) => Promise<SonicBoom>
  export default build
}
