/**
 * A Debian of its own with VirtualBox, from contrib of Debian's sid: no stable release has it. Its kernel modules are left
 * out, since they fit sid's kernel alone.
 */
import { debianMirror } from '../../../provision/images/mirror.ts'
import { run } from '../../../provision/process/run.ts'
import { kept, recipeHash } from '../kept.ts'

/** Path of the root folder in the cache; mmdebstrap makes it at the first call. */
export async function virtualBoxRoot(work: string): Promise<string> {
  const recipe = recipeHash([import.meta.filename], [])
  return kept('virtualbox', 'root', recipe, async (part) => {
    await run('env', [
      `TMPDIR=${work}`,
      'mmdebstrap',
      '--variant=minbase',
      '--mode=root',
      '--format=directory',
      '--include=virtualbox',
      '--aptopt=Acquire::Check-Valid-Until "false"',
      '--aptopt=Acquire::Retries "2"',
      'sid',
      part,
      `deb ${await debianMirror()} sid main contrib`,
    ])
  })
}
