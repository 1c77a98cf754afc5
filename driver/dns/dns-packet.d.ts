/** The part of dns-packet that is used; the package has no types of its own. */
declare module 'dns-packet' {
  export interface Question {
    name: string
    type: string
    class: string
  }
  export interface Soa {
    mname: string
    rname: string
    serial: number
    refresh: number
    retry: number
    expire: number
    minimum: number
  }
  export interface Resource {
    name: string
    type: string
    ttl?: number
    class?: string
    data?: string | Soa
  }
  export interface Opt {
    name: string
    type: 'OPT'
    udpPayloadSize: number
    extendedRcode?: number
    ednsVersion?: number
    flags?: number
    options?: never[]
  }
  export interface Packet {
    id: number
    type: 'query' | 'response'
    flags: number
    opcode?: string
    rcode?: string
    questions: Question[]
    answers: Resource[]
    authorities: Resource[]
    additionals: (Resource | Opt)[]
  }
  export function decode(bytes: Uint8Array): Packet
  export namespace decode {
    /** How many bytes the last call has read; more than there were, where a length in them is too large. */
    const bytes: number
  }
  export function encode(packet: Partial<Packet>): Buffer
}
