import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: {
    // Examples import the package by its name; tests run them against the sources.
    alias: [
      { find: /^reprise$/, replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)) },
      {
        find: /^reprise\/compat$/,
        replacement: fileURLToPath(new URL('src/compat/index.ts', import.meta.url)),
      },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/setup/redis.ts'],
    // Tests start processes and send signals: each file gets a process of its own.
    pool: 'forks',
    maxWorkers: '100%',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
