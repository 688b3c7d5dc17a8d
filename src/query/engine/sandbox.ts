import { closeSync, existsSync, fstatSync, openSync } from 'node:fs'
import { DataType, load, open } from 'ffi-rs'

/**
 * Landlock (Linux): what the engine's threads may still open. `clickhouse local` believes in whoever runs it: its scalar
 * function `file()` reads any file, with no grant asked and no setting to turn it off. So the kernel says no instead.
 */
export interface Confinement {
  /** Files, and folders with everything in them, that may be read. One that is not there is passed over. */
  readonly readable: readonly string[]
  /** Folders in which files may be made, changed and removed too. */
  readonly writable: readonly string[]
  /** The one TCP port that may be bound. No connection may be opened. */
  readonly port: number
}

// Numbers of the kernel's interface: include/uapi/linux/landlock.h, and one table of system calls for all 64-bit machines.
const setNoNewPrivileges = 38
const createRuleset = 444
const addRule = 445
const restrictSelf = 446
const versionOnly = 1
const pathBeneath = 1
const netPort = 2
const bindTcp = 1n
const connectTcp = 2n
const readFile = 1n << 2n
const readFolder = 1n << 3n

/** Rights over files that each version of the interface knows: the first 13, then REFER, TRUNCATE and IOCTL_DEV. */
const fileRights = (version: number): bigint =>
  (1n << BigInt(version >= 5 ? 16 : version >= 3 ? 15 : version >= 2 ? 14 : 13)) - 1n

/**
 * Confines the calling thread and all that it starts from now on, for good. Returns whether it did: `false` where the
 * kernel has no Landlock or refuses; then nothing has changed. Open the libraries you need before.
 */
export function confine({ readable, writable, port }: Confinement): boolean {
  if (process.platform !== 'linux') return false
  open({ library: 'libc', path: 'libc.so.6' })
  const version = syscall(createRuleset, 0, 0, versionOnly)
  if (version < 1) return false
  const all = fileRights(version)
  const withNet = version >= 4
  const attr = Buffer.alloc(withNet ? 16 : 8)
  attr.writeBigUInt64LE(all, 0)
  if (withNet) attr.writeBigUInt64LE(bindTcp | connectTcp, 8)
  const ruleset = syscall(createRuleset, attr, attr.length, 0)
  if (ruleset < 0) return false
  try {
    const allowed =
      readable.filter(path => existsSync(path)).every(path => allowPath(ruleset, path, readFile | readFolder)) &&
      writable.every(path => allowPath(ruleset, path, all)) &&
      (!withNet || allowPort(ruleset, port))
    return allowed && noNewPrivileges() && syscall(restrictSelf, ruleset, 0) === 0
  } finally {
    call('close', [ruleset])
  }
}

function allowPath(ruleset: number, path: string, rights: bigint): boolean {
  const at = openSync(path, 'r')
  try {
    const rule = Buffer.alloc(12)
    rule.writeBigUInt64LE(fstatSync(at).isDirectory() ? rights : rights & readFile, 0)
    rule.writeInt32LE(at, 8)
    return syscall(addRule, ruleset, pathBeneath, rule, 0) === 0
  } finally {
    closeSync(at)
  }
}

function allowPort(ruleset: number, port: number): boolean {
  const rule = Buffer.alloc(16)
  rule.writeBigUInt64LE(bindTcp, 0)
  rule.writeBigUInt64LE(BigInt(port), 8)
  return syscall(addRule, ruleset, netPort, rule, 0) === 0
}

const noNewPrivileges = (): boolean => call('prctl', [setNoNewPrivileges, 1, 0, 0, 0]) === 0

const syscall = (number: number, ...args: readonly (number | Buffer)[]): number => call('syscall', [number, ...args])

/** A C function of the system's library: every argument is as wide as a pointer; the answer is its lower half. */
function call(funcName: string, args: readonly (number | Buffer)[]): number {
  return load({
    library: 'libc',
    funcName,
    retType: DataType.I32,
    paramsType: args.map(arg => (typeof arg === 'number' ? DataType.I64 : DataType.U8Array)),
    paramsValue: [...args],
  })
}
