/**
 * How long a call of Docker's may take, in seconds; `--answer-within`.
 *
 * Consul alone is waited for up to 4 s. dockerd itself waits for ever, with locks held; but a call whose connection breaks it
 * repeats only within 30 s of its beginning (moby v28.5.2, pkg/plugins/client.go, defaultTimeOut), and the last pause
 * before a repetition must fit in there too.
 */
export const answerWithinS = { usual: 8, least: 8, most: 25 }
