/**
 * The time limit of a call from Docker, in seconds; `--answer-within`.
 *
 * A call waits up to 4 s for Consul alone; the rest is for the kernel of a machine that starts hundreds of
 * containers at once. dockerd itself waits without limit and holds locks meanwhile; but a call whose
 * connection breaks is repeated only within 30 s of its start (moby v28.5.2, pkg/plugins/client.go,
 * defaultTimeOut), and the pause before the last repetition must fit into them too.
 */
export const answerWithinS = { usual: 20, least: 8, most: 25 }
