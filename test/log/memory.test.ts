import { memoryLog } from '../../src/log/memory.ts'
import { describeLog } from './contract.ts'

describeLog('memory', { make: async () => memoryLog() })
