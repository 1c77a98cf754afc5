variable "qemu_image" {
  type        = string
  default     = ""
  description = "Disk image of a Debian 13 that lets Vagrant's user in: a libvirt box's box.img."
}

variable "virtualbox_ovf" {
  type        = string
  default     = ""
  description = "Machine to start from: a VirtualBox box's box.ovf."
}

variable "ssh_key" {
  type        = string
  default     = "~/.vagrant.d/insecure_private_key"
  description = "Private key of the user vagrant; the box keeps its public one."
}

variable "accelerator" {
  type        = string
  default     = "kvm"
  description = "kvm, hvf or tcg (software emulation)."
}

variable "cpu_model" {
  type        = string
  default     = "host"
  description = "QEMU's CPU model; host needs an accelerator that is not tcg."
}

variable "output" {
  type        = string
  default     = "dist"
  description = "Folder of the boxes."
}

variable "work" {
  type        = string
  default     = "dist/packer"
  description = "Folder for what is half made; must not exist yet."
}

variable "ssh_timeout" {
  type    = string
  default = "10m"
}
