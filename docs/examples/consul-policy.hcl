# What the driver of the Docker host net-1 may do, and no more.

# Records of this host and of other hosts: every host may write networks, addresses, endpoints and services.
key_prefix "multihost/" {
  policy = "write"
}

# The names of the hosts: it reads all, and claims its own alone. Without these two rules one token is for all hosts.
key_prefix "multihost/alive/" {
  policy = "list"
}
key "multihost/alive/net-1" {
  policy = "write"
}

# The session of a host shows that the host is alive; every host reads all sessions. Consul keeps them on the node of
# the server that the driver asks.
session "consul-server" {
  policy = "write"
}
