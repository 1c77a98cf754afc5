variable "qemu_image" {
  type        = string
  default     = ""
  description = "Disk image of a Debian 13 on which the user vagrant can log in: a libvirt box's box.img."
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

variable "virtualbox" {
  type        = string
  default     = "true"
  description = "false makes the box for libvirt alone, from a disk that VirtualBox cannot boot."
}

variable "output" {
  type        = string
  default     = "dist"
  description = "Folder of the boxes."
}

variable "work" {
  type        = string
  default     = "dist/packer"
  description = "Folder of the build's intermediate files; must not exist yet."
}

variable "ssh_timeout" {
  type    = string
  default = "10m"
}
