import kafkajs from 'kafkajs'
import { type Share, type ShareOptions, sessionMs } from './client.ts'
import { type Kafka, LastingConsumer } from './kafkajs-consumer.ts'
import { shareOut } from './sticky.ts'

const { AssignerProtocol } = kafkajs

/** A member of the shared group, which reads nothing: every partition is paused as soon as it is assigned. */
export async function joinShare(kafka: Kafka, { group, topic, onAssigned, onTrouble }: ShareOptions): Promise<Share> {
  let owned: readonly number[] = []
  let confirmedAtMs = 0
  const lasting = new LastingConsumer({
    kafka,
    config: () => ({
      groupId: group,
      partitionAssigners: [({ cluster }) => sticky(() => owned, cluster as unknown as Cluster)],
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
        owned = (payload.memberAssignment[topic] ?? []).map(Number)
        confirmedAtMs = performance.now()
        onTrouble(undefined)
        onAssigned(owned)
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
    close: () => lasting.close(),
  }
}

/** What an assigner is given of kafkajs's own, as far as it is used. */
interface Cluster {
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[]
}

const name = 'aep-ledger-sticky'

/** Members say what they have; the leader of the group shares out by it. */
function sticky(owned: () => readonly number[], cluster: Cluster) {
  const { MemberAssignment, MemberMetadata } = AssignerProtocol
  return {
    name,
    version: 0,
    async assign({ members, topics }: { members: { memberId: string; memberMetadata: Buffer }[]; topics: string[] }) {
      const had = new Map(
        members.map(({ memberId, memberMetadata }) => [
          memberId,
          partitionsIn(MemberMetadata.decode(memberMetadata)?.userData),
        ]),
      )
      const shares = topics.map(topic => ({
        topic,
        shares: shareOut(
          had,
          cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId),
        ),
      }))
      return members.map(({ memberId }) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({
          version: 0,
          assignment: Object.fromEntries(shares.map(({ topic, shares }) => [topic, shares.get(memberId) ?? []])),
          userData: Buffer.alloc(0),
        }),
      }))
    },
    protocol: ({ topics }: { topics: string[] }) => ({
      name,
      metadata: MemberMetadata.encode({ version: 0, topics, userData: Buffer.from(JSON.stringify(owned())) }),
    }),
  }
}

/** What another process of the group says that it has: ours or not, it can't harm more than the sharing. */
function partitionsIn(userData: Buffer | undefined): number[] {
  try {
    const value: unknown = JSON.parse(userData?.toString() ?? '')
    if (Array.isArray(value)) return value.filter(Number.isSafeInteger) as number[]
  } catch {}
  return []
}
