/**
 * The walkthrough's container image: Debian 13 with the commands that the page types in a container.
 *
 * Made from the registry's image, or imported from the tar that MULTIHOST_IMAGE names. It gets its name when
 * it is complete, so a pull that was cut off is done again.
 */
import { readFileSync } from 'node:fs'
import { containerPackages } from '../images/packages.ts'
import { imageName } from '../lab/definition.ts'
import { LabError } from '../process/errors.ts'
import { type Step, type StepContext, succeeds } from './step.ts'

/** Another name of the same image in the registry. */
const registryName = 'debian:trixie'
const shell = `--change 'CMD ["bash"]'`

export const containerImage: Step = {
  title: `container image ${imageName}`,
  holds: (context) => succeeds(context, `docker image inspect ${imageName} > /dev/null`),
  async apply(context) {
    const file = process.env.MULTIHOST_IMAGE
    await (file ? importImage(context, file) : pullImage(context))
  },
}

async function importImage({ $, upload, host }: StepContext, file: string): Promise<void> {
  const tar = '/var/tmp/multihost-image.tar'
  await upload(tar, read(file, host.name))
  await $`bash -c ${`docker import ${shell} ${tar} ${imageName}; code=$?; rm -f ${tar}; exit $code`}`
}

async function pullImage({ $, host }: StepContext): Promise<void> {
  const pulled = await $`docker pull -q ${registryName}`.nothrow()
  if (pulled.exitCode !== 0) {
    throw new LabError(
      `${host.name} cannot pull ${registryName}: ${pulled.stderr.trim().split('\n').at(-1)}`,
      {
        hint: 'where the hosts reach no registry, MULTIHOST_IMAGE=FILE imports a tar of a root file system; docs/vms.md shows how to make one',
      },
    )
  }
  const install = `apt-get update -q && apt-get install -qy --no-install-recommends ${containerPackages.join(' ')} && apt-get clean`
  const made = 'multihost-image'
  await $`docker rm -f ${made} > /dev/null 2>&1 || true`
  await $`docker run --name ${made} -e DEBIAN_FRONTEND=noninteractive ${registryName} bash -c ${install}`
  await $`bash -c ${`docker commit ${shell} ${made} ${imageName} && docker rm ${made}`}`
}

function read(file: string, host: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new LabError(`${host}: MULTIHOST_IMAGE=${file} cannot be read`, { cause: error })
  }
}
