import { type ChildProcess, fork } from 'node:child_process'

/** Processes that do jobs, one at a time each. One that dies is an error of its job, and ends the run. */
export async function inProcesses<Job, Answer>(
  module: URL,
  processes: number,
  { next, done }: { next: () => Job | undefined | Promise<Job | undefined>; done: (answer: Answer, job: Job) => void },
): Promise<void> {
  const one = async () => {
    const child = fork(module, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    try {
      await answerOf(child, () => {})
      for (let job = await next(); job !== undefined; job = await next()) {
        const current = job
        done((await answerOf(child, () => child.send(current as object))) as Answer, job)
      }
    } finally {
      child.kill()
    }
  }
  await Promise.all(Array.from({ length: processes }, one))
}

function answerOf(child: ChildProcess, ask: () => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const died = (code: number | null, signal: string | null) => reject(new Error(`a process of the simulation ended: ${signal ?? code}`))
    child.once('exit', died)
    child.once('message', (answer) => {
      child.off('exit', died)
      resolve(answer)
    })
    ask()
  })
}
