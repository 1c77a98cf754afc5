/**
 * Our own driver as a subject.
 */
import { datapathKinds } from '../../driver/core/records.ts'
import { unknown } from '../../provision/process/errors.ts'
import type { Subject } from '../kit/subject.ts'
import { ownDriver } from '../record/events.ts'

/** `datapath`: the kind of all networks; `bridge` when it is not given. Throws a LabError for an unknown kind. */
export function ours(datapath?: string): Subject {
  const create = ['-d', ownDriver, '--ipam-driver', ownDriver]
  const subject: Subject = { name: ownDriver, create, isOurs: true, spreads: 'by itself', lacks: {} }
  if (datapath === undefined) return subject
  const kind = datapathKinds.find((each) => each === datapath)
  if (kind === undefined) throw unknown('datapath', datapath, [...datapathKinds])
  return { ...subject, create: [...create, '-o', `datapath=${kind}`], datapath: kind }
}
