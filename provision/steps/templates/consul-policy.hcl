# What the driver of a Docker host may do, and no more.

# Its records, and those of the others: networks, addresses, endpoints and services are written by whoever makes them.
key_prefix "multihost/" {
  policy = "write"
}

# Its session says that it lives; it reads whose sessions there are. They are kept by the server that it asks.
session "consul-server" {
  policy = "write"
}
