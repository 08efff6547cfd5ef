import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Place } from './postgres-place.ts'

export class PostgresError extends Error {
  override name = 'PostgresError'
}

/** What a tool said before it ended may still be on its way. */
const LAST_WORDS_MS = 200

/** Runs initdb or pg_ctl as the server's user. @throws {PostgresError} with what it said last. */
export function runTool({ bin, user }: Place, tool: 'initdb' | 'pg_ctl', args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    // A session of its own: Ctrl-C is for us, who stop all in order, and must not hit it halfway.
    const child = spawn(join(bin, tool), args, {
      cwd: '/',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(user && { uid: user.uid, gid: user.gid }),
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        said += chunk
      })
    child.once('error', (error) => reject(new PostgresError(error.message)))
    // Not "close", which may never come: the server that pg_ctl starts holds our end of its output.
    child.once('exit', (code, signal) => {
      const end = () => {
        child.stdout.destroy()
        child.stderr.destroy()
        if (code === 0) resolve()
        else reject(new PostgresError(lastLines(said) || `${tool} ended with ${signal ?? code}`))
      }
      if (code === 0) end()
      else setTimeout(end, LAST_WORDS_MS)
    })
  })
}

export function lastLines(text: string): string {
  return text.trim().split('\n').slice(-6).join('\n')
}
