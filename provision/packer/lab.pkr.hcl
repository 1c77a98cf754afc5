# The box multihost-lab: a Debian 13 that has the engine, the driver, Consul and the container image in it.
#
# It starts from the box that Vagrant would, and is provisioned by the same steps as a machine of the lab, run on the
# builder's machine over ssh. Written for Packer 1.6.6 (Debian's) and current ones; docs/vms.md has the commands.

source "qemu" "lab" {
  iso_url             = var.qemu_image
  iso_checksum        = "none"
  disk_image          = true
  disk_interface      = "virtio"
  disk_discard        = "unmap"
  disk_cache          = "unsafe" # a build that was cut off is begun anew
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

source "virtualbox-ovf" "lab" {
  source_path      = var.virtualbox_ovf
  headless         = true
  output_directory = "${var.work}/virtualbox"
  vm_name          = "multihost-lab"

  ssh_username         = "vagrant"
  ssh_private_key_file = var.ssh_key
  ssh_timeout          = var.ssh_timeout
  shutdown_command     = "sudo systemctl poweroff"
}

build {
  sources = ["source.qemu.lab", "source.virtualbox-ovf.lab"]

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
    execute_command = "sudo sh '{{ .Path }}'"
    script          = "provision/packer/clean.sh"
  }

  post-processor "vagrant" {
    output            = "${var.output}/multihost-lab-{{ .Provider }}.box"
    compression_level = 1
  }
}
