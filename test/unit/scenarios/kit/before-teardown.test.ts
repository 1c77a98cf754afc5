import { expect, test } from 'vitest'
import {
  beforeTeardown,
  goesOnAfterUndo,
  teardownBegins,
  undoing,
} from '../../../../scenarios/kit/before-teardown.ts'

/** Begins a scenario; its events: each run of the hook, and what the test adds. */
function begun(): string[] {
  const events: string[] = []
  beforeTeardown(async () => void events.push('snapshot'))
  return events
}

/** As a host's commands are: each says afterwards that it has run. */
const command = (events: string[], words: string) => async () => {
  events.push(words)
  goesOnAfterUndo()
}

test('the hook runs before the first teardown alone', async () => {
  const events = begun()
  await command(events, 'ping')()
  await teardownBegins()
  await command(events, 'remove a')()
  await teardownBegins()
  await command(events, 'remove b')()
  expect(events).toEqual(['ping', 'snapshot', 'remove a', 'remove b'])
})

test('after a failure it runs before the first undo alone: what follows is torn down', async () => {
  const events = begun()
  await undoing(command(events, 'start Consul'))
  await undoing(command(events, 'restore the options'))
  await teardownBegins()
  await command(events, 'remove a')()
  await teardownBegins()
  expect(events).toEqual(['snapshot', 'start Consul', 'restore the options', 'remove a'])
})

test('it runs once more when the scenario goes on after an undo', async () => {
  const events = begun()
  await undoing(command(events, 'start Consul'))
  await command(events, 'ping')()
  await teardownBegins()
  await command(events, 'remove a')()
  expect(events).toEqual(['snapshot', 'start Consul', 'ping', 'snapshot', 'remove a'])
})

test('an undo after a teardown takes none', async () => {
  const events = begun()
  await teardownBegins()
  await undoing(command(events, 'start Consul'))
  await command(events, 'remove a')()
  await teardownBegins()
  expect(events).toEqual(['snapshot', 'start Consul', 'remove a'])
})
