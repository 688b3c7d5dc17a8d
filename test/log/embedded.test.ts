import { openEmbedded } from '../../src/log/embedded/open.ts'
import { describeLog, type WholeLog } from './contract.ts'
import { newFolder } from './folders.ts'

const folders = new Map<WholeLog, string>()

async function openIn(folder: string): Promise<WholeLog> {
  const log = await openEmbedded(folder)
  folders.set(log, folder)
  return log
}

describeLog('embedded', {
  make: () => openIn(newFolder()),
  reopen: async log => {
    await log.close()
    return openIn(folders.get(log) ?? '')
  },
})
