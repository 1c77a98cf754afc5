/**
 * The reader's own machine: commands run where the scenarios run, in the project's folder.
 */

import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import type { Typist } from '../../kit/host.ts'
import { localSession } from '../../kit/terminal.ts'

const cwd = fileURLToPath(new URL('../../..', import.meta.url))

export const you: { prompt: Typist } = {
  prompt: {
    name: 'you',
    async type(line) {
      const { all, exitCode } = await execa(line, { cwd, shell: true, all: true, reject: false })
      return { output: all, code: exitCode ?? 255 }
    },
    open: async (line) => localSession(line, { cwd, env: process.env }),
  },
}
