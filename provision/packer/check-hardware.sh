#!/bin/sh
# Fails where the disk boots on libvirt's hardware alone. Both boxes are made from one disk: libvirt attaches it as virtio
# (vda, virtio_net), VirtualBox as AHCI or IDE (sda, e1000). With VIRTUALBOX=false there is no box for VirtualBox.
set -eu
[ "${VIRTUALBOX:-true}" = true ] || exit 0

problem() {
  echo "this disk does not boot on VirtualBox: $1. Start from a disk $2, or make the box for libvirt alone: -var virtualbox=false" >&2
  exit 1
}

for kernel in /lib/modules/*; do
  version=${kernel##*/}
  for module in ahci ata_piix e1000 virtio_blk virtio_net; do
    modinfo -k "$version" "$module" > /dev/null 2>&1 ||
      problem "its kernel $version has no module $module" "with Debian's generic kernel (linux-image-$(dpkg --print-architecture))"
  done
  for module in ahci ata_piix virtio_blk; do
    lsinitramfs "/boot/initrd.img-$version" | grep -q "/$module.ko" ||
      problem "the initramfs of its kernel $version has no module $module" "whose initramfs has it (MODULES=most in /etc/initramfs-tools/initramfs.conf)"
  done
done
for file in /etc/fstab /proc/cmdline; do
  ! grep -q '/dev/[hsv]d[a-z]' "$file" ||
    problem "$file names the disk by its device: $(grep -o '/dev/[hsv]d[a-z0-9]*' "$file" | head -n 1)" "that is mounted by label or UUID"
done
