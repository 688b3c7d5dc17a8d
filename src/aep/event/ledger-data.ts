import { z } from 'zod'
import { count, digest, name, names, publicKey, sentence, sha256 } from './members.ts'

/** `data` of the event types that only a ledger itself writes, into itself. */

const ledgerName = z.string().min(1).max(128)
const keyId = publicKey.shape.key_id
const reason = sentence.exactOptional()
/** The token on whose request the ledger wrote the entry. */
const by = name.exactOptional()

const created = z.strictObject({
  origin: name.meta({ description: 'Name of the ledger’s checkpoints and of its verifier key, for ever.' }),
  ledger: ledgerName,
  key: publicKey.meta({ description: 'The key that signs from this entry on.' }),
  by,
})

const keyAdded = z.strictObject({ key: publicKey, by, reason })

const keyRotated = z.strictObject({
  from: keyId.meta({ description: 'The key that signed up to and with this entry.' }),
  key: publicKey.meta({ description: 'The key that signs from the next entry on.' }),
  by,
  reason,
})

const keyRevoked = z.strictObject({
  key_id: keyId,
  compromised_since_seq: count
    .exactOptional()
    .meta({ description: 'First seq at which somebody else may have signed with it. Absent: from this entry on.' }),
  by,
  reason,
})

const emitterRegistered = z.strictObject({
  key: publicKey,
  sources: names.meta({ description: '`source` prefixes that it signs for; empty: any.' }),
  by,
})

const emitterRevoked = z.strictObject({ key_id: keyId, by, reason })

const conflict = z.strictObject({
  source: name,
  id: name,
  first_seq: count.meta({ description: 'The entry that holds this identity.' }),
  refused_sha256: sha256.meta({ description: 'SHA-256 of the RFC 8785 bytes of the event that was refused.' }),
  by,
  suppressed: count
    .exactOptional()
    .meta({ description: 'Conflicts that were not written since the last one, by rate limit.' }),
})

const read = z.strictObject({
  by: name,
  route: name,
  from_seq: count.exactOptional(),
  to_seq: count.exactOptional(),
  filter_digest: digest.exactOptional(),
})

export const ledgerData = {
  'aep.ledger.created': created,
  'aep.ledger.key.added': keyAdded,
  'aep.ledger.key.rotated': keyRotated,
  'aep.ledger.key.revoked': keyRevoked,
  'aep.ledger.emitter.registered': emitterRegistered,
  'aep.ledger.emitter.revoked': emitterRevoked,
  'aep.ledger.conflict': conflict,
  'aep.ledger.read': read,
} as const
