# What the driver of a Docker host may do, and no more.

# Records of this host and of other hosts: every host may write networks, addresses, endpoints and services.
key_prefix "multihost/" {
  policy = "write"
}

# The session of a host shows that the host is alive; every host reads all sessions. Consul keeps them on the node of
# the server that the driver asks.
session "consul-server" {
  policy = "write"
}
