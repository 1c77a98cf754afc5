/**
 * A Debian 13 disk image that Vagrant and Packer can log in to. It stands in for the disk of the box
 * `debian/trixie64` and contains the packages that the steps would install: an emulated machine needs ten
 * minutes to unpack them, this machine some seconds.
 *
 * The image is made of Debian's packages alone and without a loop device: a root folder by mmdebstrap, an
 * ext4 of it by `mke2fs -d` behind a partition table, GRUB's two parts written where the BIOS looks for them
 * (GRUB manual, "BIOS installation"). The kernel is Debian's generic one: the one for clouds has no e1000,
 * which is VirtualBox's network card. The initramfs has the drivers of both providers' disks (virtio, AHCI,
 * IDE) and no others, which halves an emulated boot. The root is found by its label: it is vda with libvirt
 * and sda with VirtualBox.
 */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached, cacheRoot, contentsOf, recipeHash } from '../../provision/images/cache.ts'
import { consulBinary } from '../../provision/images/consul.ts'
import { defaultEngine, engineOf } from '../../provision/images/engines.ts'
import { mmdebstrap, type Root } from '../../provision/images/mmdebstrap.ts'
import { driverPackages, hostCommands, systemPackages } from '../../provision/images/packages.ts'
import { shellQuote } from '../../provision/process/quote.ts'
import { run } from '../../provision/process/run.ts'

const packages = [
  ...['linux-image-amd64', 'initramfs-tools', 'systemd-resolved'],
  ...systemPackages,
  ...Object.values(hostCommands),
  ...driverPackages,
  ...engineOf(defaultEngine).packages,
]
const initramfsModules = ['virtio_pci', 'virtio_blk', 'ahci', 'ata_piix', 'sd_mod', 'ext4']
const rootLabel = 'lab'
const grubModules = ['biosdisk', 'part_msdos', 'ext2', 'linux', 'normal', 'echo']
const grub = '/usr/lib/grub/i386-pc'
const rootfs = fileURLToPath(new URL('rootfs', import.meta.url))
const hostKeysUnit = fileURLToPath(new URL('../../provision/packer/ssh-host-keys.service', import.meta.url))
const diskGigabytes = 20
const partitionStart = 2048

/** Path of the qcow2 in the cache; built at the first call. `publicKey` may log in as the user vagrant. */
export async function baseImage(work: string, publicKey: string): Promise<string> {
  const contents = [fileURLToPath(import.meta.url), hostKeysUnit, rootfs].map(contentsOf)
  const image = join(cacheRoot, `vm-base-${recipeHash([contents, publicKey, packages])}.qcow2`)
  await cached(image, async (part) => {
    const root = join(work, 'base-root')
    const disk = join(work, 'base.raw')
    await makeRoot(root, work, publicKey)
    await makeDisk(root, disk)
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', disk, part])
    await run('rm', ['-rf', '--one-file-system', root, disk])
  })
  return image
}

async function makeRoot(to: string, work: string, publicKey: string): Promise<void> {
  const overlay = join(work, 'base-overlay')
  cpSync(rootfs, overlay, { recursive: true })
  cpSync(hostKeysUnit, join(overlay, 'etc/systemd/system', basename(hostKeysUnit)))
  mkdirSync(join(overlay, 'home/vagrant/.ssh'), { recursive: true })
  writeFileSync(join(overlay, 'home/vagrant/.ssh/authorized_keys'), `${publicKey}\n`)
  writeFileSync(join(overlay, 'etc/initramfs-tools/modules'), `${initramfsModules.join('\n')}\n`)
  const customize = [
    `cp -r --no-preserve=ownership ${shellQuote(overlay)}/. "$1"/`,
    'chown -R 0:0 "$1"/etc "$1"/boot && chmod 0440 "$1"/etc/sudoers.d/vagrant',
    'chroot "$1" useradd --shell /bin/bash --groups sudo vagrant && chroot "$1" chown -R vagrant: /home/vagrant && chmod 0700 "$1"/home/vagrant/.ssh',
    'chroot "$1" update-initramfs -u',
    'chroot "$1" systemctl -q enable systemd-networkd systemd-resolved ssh ssh-host-keys',
    'ln -sf ../run/systemd/resolve/stub-resolv.conf "$1"/etc/resolv.conf',
    'rm -f "$1"/etc/ssh/ssh_host_* && : > "$1"/etc/machine-id && echo trixie > "$1"/etc/hostname',
    'printf "127.0.0.1 localhost\\n127.0.1.1 trixie\\n" > "$1"/etc/hosts', // sudo looks its host's name up
    `cp ${shellQuote(await consulBinary())} "$1"/usr/bin/consul`,
    `echo "LABEL=${rootLabel} / ext4 errors=remount-ro 0 1" > "$1"/etc/fstab`,
  ]
  const root: Root = {
    suite: 'trixie',
    packages,
    customize,
    withDocs: true,
  }
  await mmdebstrap(root, to)
}

/** One bootable partition that holds the root folder. */
async function makeDisk(root: string, disk: string): Promise<void> {
  const sectors = (diskGigabytes * 2 ** 30) / 512 - partitionStart
  const core = `${disk}.grub`
  await run('truncate', ['-s', `${diskGigabytes}G`, disk])
  await run('sfdisk', ['-q', disk], { input: `label: dos\nstart=${partitionStart}, type=83, bootable\n` })
  const options = `offset=${partitionStart * 512},lazy_itable_init=1,lazy_journal_init=1`
  await run('mke2fs', [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-L',
    rootLabel,
    '-E',
    options,
    '-d',
    root,
    disk,
    `${sectors / 2}k`,
  ])
  await run('grub-mkimage', ['-O', 'i386-pc', '-p', '(hd0,msdos1)/boot/grub', '-o', core, ...grubModules])
  await run('dd', [`if=${grub}/boot.img`, `of=${disk}`, 'bs=440', 'count=1', 'conv=notrunc', 'status=none'])
  await run('dd', [`if=${core}`, `of=${disk}`, 'bs=512', 'seek=1', 'conv=notrunc', 'status=none'])
  await run('rm', [core])
}
