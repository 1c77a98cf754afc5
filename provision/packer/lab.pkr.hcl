# The boxes multihost-lab, for libvirt and for VirtualBox: a Debian 13 with the engine, the driver, Consul and the
# container image in it.
#
# QEMU boots the disk of a libvirt box. The steps of the lab that name no host run on the builder's machine and provision
# it over ssh. Both boxes come out of this one disk, so the builder needs no VirtualBox. The template works with Packer
# 1.6.6 (Debian's) and with current ones; docs/vms.md has the commands.

source "qemu" "lab" {
  iso_url             = var.qemu_image
  iso_checksum        = "none"
  disk_image          = true
  disk_interface      = "virtio"
  disk_discard        = "unmap"
  disk_cache          = "unsafe" # an interrupted build starts again from the beginning
  net_device          = "virtio-net"
  format              = "qcow2"
  accelerator         = var.accelerator
  cpus                = 2
  memory              = 2048
  headless            = true
  use_default_display = true
  qemuargs            = [["-cpu", var.cpu_model]]
  output_directory    = "${var.work}/qemu"
  vm_name             = "multihost-lab"

  ssh_username         = "vagrant"
  ssh_private_key_file = var.ssh_key
  ssh_timeout          = var.ssh_timeout
  shutdown_command     = "sudo systemctl poweroff"
}

build {
  sources = ["source.qemu.lab"]

  provisioner "shell-local" {
    environment_vars = [
      "BOX_HOST=${build.Host}",
      "BOX_PORT=${build.Port}",
      "BOX_USER=${build.User}",
      "BOX_KEY=${var.ssh_key}",
    ]
    inline = [
      "node provision/start.mjs driver/build.ts",
      "node provision/start.mjs provision/packer/steps.ts",
    ]
  }

  provisioner "file" {
    source      = "provision/packer/ssh-host-keys.service"
    destination = "/tmp/ssh-host-keys.service"
  }

  provisioner "shell" {
    execute_command = "sudo sh '{{ .Path }}'"
    inline          = ["install -m 0644 /tmp/ssh-host-keys.service /etc/systemd/system/ && rm /tmp/ssh-host-keys.service"]
  }

  provisioner "shell" {
    environment_vars = ["VIRTUALBOX=${var.virtualbox}"]
    execute_command  = "sudo env {{ .Vars }} sh '{{ .Path }}'"
    scripts          = ["provision/packer/check-hardware.sh", "provision/packer/clean.sh"]
  }

  post-processor "vagrant" {
    output            = "${var.output}/multihost-lab-{{ .Provider }}.box"
    compression_level = 1
  }

  post-processor "shell-local" {
    environment_vars = [
      "VIRTUALBOX=${var.virtualbox}",
      "DISK=${var.work}/qemu/multihost-lab",
      "BOX=${var.output}/multihost-lab-virtualbox.box",
    ]
    inline = ["sh provision/packer/virtualbox-box.sh"]
  }
}
