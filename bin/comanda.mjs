#!/usr/bin/env node
// `comanda …` from any folder.
process.argv.splice(2, 0, 'src/cli/main.ts')
await import('./bootstrap.mjs')
