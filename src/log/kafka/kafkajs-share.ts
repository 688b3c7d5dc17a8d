import kafkajs from 'kafkajs'
import { type Share, type ShareOptions, sessionMs } from './client.ts'
import { type Kafka, LastingConsumer } from './kafkajs-consumer.ts'
import { type Claim, shareOut } from './sticky.ts'

const { AssignerProtocol } = kafkajs

/** How long a partition is left to others that this process could not work on. */
const avoidMs = 60_000

/** A member of the shared group, which reads nothing: every partition is paused as soon as it is assigned. */
export async function joinShare(kafka: Kafka, { group, topic, onAssigned, onTrouble }: ShareOptions): Promise<Share> {
  let had: readonly number[] = []
  const avoided = new Map<number, number>()
  let confirmedAtMs = 0
  const claim = (): Claim => {
    const now = performance.now()
    const unfit = [...avoided].filter(([, untilMs]) => untilMs > now).map(([partition]) => partition)
    return { had: had.filter(partition => !unfit.includes(partition)), unfit }
  }
  const lasting = new LastingConsumer({
    kafka,
    config: () => ({
      groupId: group,
      partitionAssigners: [({ cluster }) => sticky(claim, cluster as unknown as Cluster)],
      maxWaitTimeInMs: 100,
      sessionTimeout: sessionMs,
      rebalanceTimeout: sessionMs,
      heartbeatInterval: 300,
    }),
    begin: async member => {
      const { GROUP_JOIN, HEARTBEAT } = member.events
      member.on(HEARTBEAT, () => {
        confirmedAtMs = performance.now()
      })
      member.on(GROUP_JOIN, ({ payload }) => {
        if (!lasting.isCurrent(member)) return
        member.pause([{ topic }])
        had = (payload.memberAssignment[topic] ?? []).map(Number)
        confirmedAtMs = performance.now()
        onTrouble(undefined)
        onAssigned(had)
      })
      await member.subscribe({ topic })
      await member.run({ autoCommit: false, eachBatch: async () => {} })
    },
    onTrouble,
  })
  await lasting.start()
  return {
    get confirmedAtMs() {
      return confirmedAtMs
    },
    async avoid(partition) {
      avoided.set(partition, performance.now() + avoidMs)
      await lasting.again()
    },
    close: () => lasting.close(),
  }
}

/** What an assigner is given of kafkajs's own, as far as it is used. */
interface Cluster {
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[]
}

const name = 'aep-ledger-sticky'

/** Members say what they had and what they can't do; the leader of the group shares out by it. */
function sticky(claim: () => Claim, cluster: Cluster) {
  const { MemberAssignment, MemberMetadata } = AssignerProtocol
  return {
    name,
    version: 0,
    async assign({ members, topics }: { members: { memberId: string; memberMetadata: Buffer }[]; topics: string[] }) {
      const claims = new Map(
        members.map(({ memberId, memberMetadata }) => [
          memberId,
          claimIn(MemberMetadata.decode(memberMetadata)?.userData),
        ]),
      )
      const shares = topics.map(topic => ({
        topic,
        shares: shareOut(
          claims,
          cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId),
        ),
      }))
      return members.map(({ memberId }) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({
          version: 0,
          assignment: Object.fromEntries(shares.map(({ topic, shares }) => [topic, [...(shares.get(memberId) ?? [])]])),
          userData: Buffer.alloc(0),
        }),
      }))
    },
    protocol: ({ topics }: { topics: string[] }) => ({
      name,
      metadata: MemberMetadata.encode({ version: 0, topics, userData: Buffer.from(JSON.stringify(claim())) }),
    }),
  }
}

/** What another process of the group says of itself: ours or not, it can't harm more than the sharing. */
function claimIn(userData: Buffer | undefined): Claim {
  const numbers = (value: unknown): number[] =>
    Array.isArray(value) ? (value.filter(Number.isSafeInteger) as number[]) : []
  try {
    const { had, unfit } = JSON.parse(userData?.toString() ?? '') as Record<string, unknown>
    return { had: numbers(had), unfit: numbers(unfit) }
  } catch {
    return { had: [], unfit: [] }
  }
}
