#!/bin/sh
# Removes what clones must not share (machine id, host keys, Docker's identity) and what a box does not need (apt's lists,
# logs). Packer runs this script last.
set -eu

systemctl -q disable --now docker.service docker.socket containerd.service
systemctl -q disable --now consul.service multihost.service 2> /dev/null || true
# Docker's layers stay. Docker makes its identity and its networks anew on each machine.
find /var/lib/docker -mindepth 1 -maxdepth 1 ! -name overlay2 ! -name image -exec rm -rf {} +
rm -rf /var/lib/multihost /var/lib/consul

# Clones with one machine id share a DHCP lease, and clones with one host key an identity.
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed /etc/ssh/ssh_host_*
systemctl -q enable ssh-host-keys.service
rm -rf /var/lib/dhcp/* /var/lib/dhcpcd/* /var/lib/systemd/network/*

apt-get clean
find /var/lib/apt/lists -type f -delete
find /var/log -type f -delete
rm -rf /var/log/journal/* /var/cache/debconf/*-old /var/tmp/* /root/.bash_history /home/*/.bash_history
fstrim -a || true
sync
