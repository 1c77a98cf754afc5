/** Where the sockets are unless somebody says otherwise. */
export const defaultControlSocket = '/run/multihost/control.sock'
export const defaultDockerSocket = '/var/run/docker.sock'
