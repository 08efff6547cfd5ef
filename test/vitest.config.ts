import { defineConfig } from 'vitest/config'
import { mutantPlugin } from './mutants/plugin.ts'

const root = new URL('..', import.meta.url).pathname

export default defineConfig({
  plugins: mutantPlugin(root),
  test: {
    root,
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
