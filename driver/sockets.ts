/** Default paths of the sockets. */
export const defaultControlSocket = '/run/multihost/control.sock'
export const defaultDockerSocket = '/var/run/docker.sock'
