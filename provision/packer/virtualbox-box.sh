#!/bin/sh
# The VirtualBox box from the disk that Packer has provisioned for libvirt: DISK is its path, BOX the box to write.
#
# A box is a tar of metadata.json and what `VBoxManage import` reads: an OVF and a stream-optimised VMDK. VirtualBox is
# not needed to make one. VMDK compresses the disk, so the tar is not compressed again. VIRTUALBOX=false makes none.
set -eu
[ "${VIRTUALBOX:-true}" = true ] || exit 0

work=$BOX.work
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
qemu-img convert -O vmdk -o subformat=streamOptimized "$DISK" "$work/box.vmdk"
capacity=$(qemu-img info --output=json "$DISK" | sed -n 's/^ *"virtual-size": \([0-9]*\).*/\1/p' | head -n 1)
sed "s/@CAPACITY@/$capacity/" provision/packer/box.ovf > "$work/box.ovf"
echo '{ "provider": "virtualbox" }' > "$work/metadata.json"
tar -C "$work" -cf "$BOX" metadata.json box.ovf box.vmdk
