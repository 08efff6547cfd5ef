import { spawnSync } from 'node:child_process'

const PATIENCE_MS = 120_000

/** The npm of this machine. @returns what it printed, and on which end it failed; code null: it did not end in time or can't be run. */
export function npm(args: readonly string[], cwd: string): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr, error } = spawnSync('npm', args, {
    ...{ cwd, encoding: 'utf8', timeout: PATIENCE_MS, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024 },
  })
  return { code: status, stdout: stdout ?? '', stderr: error ? error.message : stderr }
}
