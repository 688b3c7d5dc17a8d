/** One event of a server-sent stream. */
export interface StreamEvent {
  readonly id: string | undefined
  readonly name: string
  readonly data: string
}

/**
 * The events of a `text/event-stream` (HTML Living Standard, section 9.2), as far as our service uses it: `id`, `event` and
 * `data` fields, comments passed over. An event that the stream breaks off in is none.
 */
export async function* eventsOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder()
  let text = ''
  let id: string | undefined
  let name = 'message'
  let data: string[] = []
  for await (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const line = text.slice(0, end).replace(/\r$/, '')
      text = text.slice(end + 1)
      if (line === '') {
        if (data.length > 0) yield { id, name, data: data.join('\n') }
        name = 'message'
        data = []
        continue
      }
      const colon = line.indexOf(':')
      const field = colon < 0 ? line : line.slice(0, colon)
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
      if (field === 'id') id = value
      else if (field === 'event') name = value
      else if (field === 'data') data.push(value)
    }
  }
}
