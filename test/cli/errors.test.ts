import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { told } from '../../src/cli/told.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { NotWritten } from '../../src/log/port.ts'
import { KeyFiles } from '../../src/service/key-files.ts'
import { ledgerOf, writeFolder } from './folder.ts'
import { cli, inFolder, type Ran, stackLine } from './run.ts'

function mendable({ code, out, err }: Ran, says: RegExp, exit = 2): void {
  assert.match(err, says)
  assert.doesNotMatch(err, /defect/)
  assert.doesNotMatch(err, stackLine)
  assert.equal(out, '')
  assert.equal(code, exit)
}

describe('an error that the person at the keyboard can mend', () => {
  it('is a key file that others may read, and what to type', async () => {
    await inFolder(async dir => {
      KeyFiles.open(join(dir, 'keys'), nodeSuite, undefined, new Date(0))
      const file = join(dir, 'keys', readdirSync(join(dir, 'keys'))[0] ?? '')
      chmodSync(file, 0o644)
      mendable(await cli(['serve', '--port', '0', '--data-dir', dir]), /can be read by others: chmod 600 .*\.json/)
      writeFileSync(file, '{}')
      mendable(await cli(['serve', '--port', '0', '--data-dir', dir]), /is no key file: restore it/)
    })
  })

  it('is a data folder that cannot be one', async () => {
    await inFolder(async dir => {
      const file = join(dir, 'file')
      writeFileSync(file, '')
      const serve = (data: string) => cli(['serve', '--port', '0', '--data-dir', data])
      mendable(
        await serve(join(file, 'data')),
        /file\S* is no folder, or lies below a file \(ENOTDIR, mkdir\)\.\n {2}Name/,
      )
      mendable(await serve(file), /file\S* is .*folder/)
      mendable(await serve(join(dir, 'n'.repeat(300))), /has too long a name/)
    })
  })

  it('is an address that is none of this machine', async () => {
    await inFolder(async dir => {
      const args = ['serve', '--port', '0', '--data-dir', dir, '--host', '192.0.2.1']
      mendable(await cli(args), /EADDRNOTAVAIL.*\n {2}Name an address of this machine: --host/)
    })
  })

  it('is a folder for a backup that is not empty, and nothing is written there', async () => {
    await inFolder(async dir => {
      const [data, target] = [join(dir, 'data'), join(dir, 'target')]
      await writeFolder(data, { default: ledgerOf('default', 2) })
      mkdirSync(target)
      writeFileSync(join(target, 'mine'), '')
      const backup = (folder: string) => cli(['backup', folder, '--data-dir', data])
      mendable(await backup(target), /target is not empty\.\n {2}Name a new folder/)
      assert.deepEqual(readdirSync(target), ['mine'])
      mendable(await backup(join(target, 'mine')), /mine is no folder/)
    })
  })

  it('is a disk that is full, which may be tried again, or one that may not be written', () => {
    const failed = (code: string, more: object) => Object.assign(new Error(code), { code, syscall: 'mkdir', ...more })
    for (const code of ['EROFS', 'EACCES', 'EPERM']) {
      const { message, hint, exitCode } = told(failed(code, { path: '/data/keys' }))
      assert.match(message, new RegExp(`^/data/keys is .*\\(${code}, mkdir\\)\\.$`))
      assert.match(hint ?? '', /permission/)
      assert.equal(exitCode, 2)
    }
    assert.equal(told(failed('ENOSPC', { path: '/data/keys' })).exitCode, 75)
    assert.equal(told(new NotWritten('full', 'The disk is full. Make room.')).exitCode, 75)
    assert.equal(told(new NotWritten('read-only', 'Give the permission.')).exitCode, 2)
  })

  it('is a full disk under what is written', { skip: !existsSync('/dev/full') }, () => {
    assert.throws(
      () => writeFileSync('/dev/full', 'x'),
      (error: Error) => {
        const { message, hint, exitCode } = told(error)
        assert.match(`${message} ${hint}`, /disk that is full .*Make room/)
        return exitCode === 75
      },
    )
  })
})

describe('an error that is ours', () => {
  it('is called a defect, and ends with 1', () => {
    for (const error of [
      new TypeError('x is undefined'),
      'thrown',
      Object.assign(new Error('lost'), { code: 'EIO' }),
    ]) {
      assert.match(told(error).hint ?? '', /defect/)
      assert.equal(told(error).exitCode, 1)
    }
  })
})
