import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import kafkajs, { type Acl, type AclEntry } from 'kafkajs'
import { Client } from '../../../infra/kafka-client.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

const page = new URL('../../../../docs/operating.md', import.meta.url)

const operations: Readonly<Record<string, Acl['operation']>> = {
  Read: AclOperationTypes.READ,
  Write: AclOperationTypes.WRITE,
  Create: AclOperationTypes.CREATE,
  Delete: AclOperationTypes.DELETE,
  Describe: AclOperationTypes.DESCRIBE,
  DescribeConfigs: AclOperationTypes.DESCRIBE_CONFIGS,
}

const resources = {
  topic: AclResourceTypes.TOPIC,
  group: AclResourceTypes.GROUP,
  'transactional-id': AclResourceTypes.TRANSACTIONAL_ID,
} as const

/** What `docs/operating.md` permits with its commands, for topics that begin with `prefix` and not with `aep`. */
export function documentedAcls(prefix = 'aep'): readonly AclEntry[] {
  const lines = [...readFileSync(page, 'utf8').matchAll(/^acl (User:.*)$/gm)].map(([, line = '']) => line)
  return lines.flatMap(line => aclsOf(line.replaceAll(/\baep\./g, `${prefix}.`).split(' ')))
}

/** What `kafka-acls.sh --add --allow-principal` makes of its arguments. */
function aclsOf(args: string[]): AclEntry[] {
  const many = { type: 'string', multiple: true, default: [] as string[] } as const
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      topic: many,
      group: many,
      'transactional-id': many,
      operation: many,
      'resource-pattern-type': { type: 'string', default: 'literal' },
    },
  })
  const isPrefix = values['resource-pattern-type'] === 'prefixed'
  const names = Object.entries(resources).flatMap(([kind, resourceType]) =>
    values[kind as keyof typeof resources].map(resourceName => ({ resourceType, resourceName })),
  )
  return names.flatMap(name =>
    values.operation.map(word => {
      const operation = operations[word]
      if (operation === undefined) throw new TypeError(`there is no operation ${word}`)
      return {
        ...name,
        resourcePatternType: isPrefix ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
        principal: positionals[0] ?? '',
        host: '*',
        operation,
        permissionType: AclPermissionTypes.ALLOW,
      }
    }),
  )
}

/** Puts `acls` into force; resolves when the broker knows them. */
export async function permit(bootstrap: readonly string[], acls: readonly AclEntry[]): Promise<void> {
  await new Client(bootstrap).asAdmin(async admin => {
    await admin.createAcls({ acl: [...acls] })
    for (const acl of acls) await until(async () => (await admin.describeAcls(acl)).resources.length > 0)
  })
}

/** Takes one out of force. */
export async function forbid(bootstrap: readonly string[], acl: AclEntry): Promise<void> {
  await new Client(bootstrap).asAdmin(async admin => {
    await admin.deleteAcls({ filters: [acl] })
    await until(async () => (await admin.describeAcls(acl)).resources.length === 0)
  })
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise(resolve => setTimeout(resolve, 20))
}

/** An ACL in words. */
export const wordsOf = ({ principal, operation, resourceType, resourceName }: AclEntry): string => {
  const [word] = Object.entries(operations).find(([, one]) => one === operation) ?? []
  const [kind] = Object.entries(resources).find(([, one]) => one === resourceType) ?? []
  return `${principal} ${word} ${kind} ${resourceName}`
}

/** The operation of `operations.ts` that an ACL is there for. */
export function useOf({ operation, resourceType, resourceName }: AclEntry): string {
  if (resourceType === AclResourceTypes.TRANSACTIONAL_ID)
    return resourceName === 'aep.state-' ? 'transaction of state' : 'transaction of ledger, heads and dead'
  if (resourceType === AclResourceTypes.GROUP) {
    const groups: Readonly<Record<string, string>> = {
      'aep-ledger-reader-': 'read ledger',
      'aep.followers': 'group of followers',
      'aep.state': 'group of state',
    }
    return groups[resourceName] ?? 'group of sequencers'
  }
  if (operation === AclOperationTypes.DESCRIBE_CONFIGS || operation === AclOperationTypes.DESCRIBE)
    return 'settings of topics'
  const topic = resourceName === 'aep.' ? 'ledger' : resourceName.replace('aep.', '')
  const verb = { [AclOperationTypes.READ]: 'read', [AclOperationTypes.WRITE]: 'write' }[operation as number] ?? 'cut'
  return `${verb} ${topic}`
}
