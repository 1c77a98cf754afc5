#!/bin/sh
# What a machine must not share with its clones, and what a box need not carry. The last thing before it is packed.
set -eu

systemctl -q disable --now docker.service docker.socket containerd.service
systemctl -q disable --now consul.service multihost.service 2> /dev/null || true
# Docker's layers stay; its identity and networks are each machine's own.
find /var/lib/docker -mindepth 1 -maxdepth 1 ! -name overlay2 ! -name image -exec rm -rf {} +
rm -rf /var/lib/multihost /var/lib/consul

# With one machine id clones would share one DHCP lease; with one host key, one identity.
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
