import { type FakeKernel, fakeKernel } from '../../../fixtures/fake-kernel.ts'
import { type Bench, kernelContract } from '../../../fixtures/kernel-contract.ts'

kernelContract(async (): Promise<Bench> => {
  const kernel: FakeKernel = fakeKernel({
    routes: [
      { to: '192.168.33.0/24', connected: true },
      { to: '10.9.0.0/16', connected: false },
    ],
    interfaces: [{ device: 'eth1', address: '192.168.33.11', mtuBytes: 1500 }],
  })
  return {
    kernel,
    namespace: (digit) => `/netns/${digit.repeat(12)}`,
    // the fake has no namespaces but those it made
    foreign: async () => undefined,
    [Symbol.asyncDispose]: async () => kernel.close(),
  }
})
