import type { Manifest } from '../backup/manifest.ts'
import { showProgress } from './batch/progress.ts'
import type { Terminal } from './terminal.ts'

type Watch = { onStep(what: string, bytes: number): void; onBytes(bytes: number): void }

/** Shows how far a backup or a restore is, step by step. */
export async function withSteps(
  terminal: Terminal,
  work: (watch: Watch) => Promise<Manifest>,
): Promise<{ manifest: Manifest; seconds: number }> {
  const started = performance.now()
  let step = ''
  let done = 0
  let progress: { stop(): void } | undefined
  const words = () => `${step} · ${(done / 1e6).toFixed(0)} MB`
  const watch: Watch = {
    onStep(what, bytes) {
      progress?.stop()
      done = 0
      step = what
      progress = showProgress(terminal, { totalBytes: bytes > 0 ? bytes : undefined, bytes: () => done, words })
    },
    onBytes(bytes) {
      done += bytes
    },
  }
  try {
    const manifest = await work(watch)
    return { manifest, seconds: (performance.now() - started) / 1_000 }
  } finally {
    progress?.stop()
  }
}
