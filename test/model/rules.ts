/** The rules that the protocol can be run without, one at a time or several: each says what happens instead. */
export const broken = {
  readsBeforeFencing: 'an owner reads head and position first, and takes the transactional id then',
  idPerProcess: 'each process has a transactional id of its own, so that nobody fences anybody',
  forgetsIdentities: 'only the newest entry is looked at for duplicates',
  offsetsOnRead: 'the position is the group’s offset, saved as soon as a batch is taken',
  offsetsAfterCommit: 'the position is the group’s offset, saved in a step of its own after the commit',
  headsBesideTransaction: 'head and position are sent beside the transaction, not in it',
  unknownIsNotWritten:
    'a commit whose outcome is unknown is taken for failed: the batch is sealed again, nothing read back',
  unknownIsWritten: 'a commit whose outcome is unknown is taken for done, and answered',
  readsUncommitted: 'replicas read records of open transactions',
  takesBack: 'a fenced owner takes the id again at once, by itself',
  answersBeforeCommit: 'a batch is answered when it is sent',
  stampsAtSealing: 'an entry bears the time of its sealing',
  headsBelievedAlone: 'a replica believes the position before it has the entries that stand before it',
  fencedAnswers: 'whoever owns nothing any more goes on answering from what it knows',
} as const

export type Broken = keyof typeof broken
