import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'

const run = promisify(execFile)
const env = { ...process.env, CONTAINERS_CONF: new URL('containers.conf', import.meta.url).pathname, BUILDAH_ISOLATION: 'chroot' }

/** What a tool printed, without the last line end. @throws with the end of what it said when it failed. */
export async function tool(name: string, args: string[], { timeoutMs = 120_000 } = {}): Promise<string> {
  try {
    const { stdout } = await run(name, args, { env, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 })
    return stdout.trimEnd()
  } catch (error) {
    const { stdout, stderr, message } = error as Error & { stdout?: string; stderr?: string }
    const said = `${stdout ?? ''}\n${stderr ?? ''}`.trim().split('\n').slice(-30).join('\n')
    throw new Error(`${name} ${args.slice(0, 3).join(' ')} … failed: ${said || message}`)
  }
}

/** Of these tools, those that are nowhere on the PATH. */
export const missingTools = (names: readonly string[]): string[] =>
  names.filter((name) => !(process.env.PATH ?? '').split(':').some((folder) => existsSync(`${folder}/${name}`)))
