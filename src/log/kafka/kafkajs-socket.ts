import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ISocketFactory } from 'kafkajs'

/**
 * How long a broker may say nothing while something is asked of it. None takes longer than a group's members have to join
 * again, `sessionMs`.
 */
const silenceMsMax = 8_500
/** How long one may say nothing at first, that was silent on its last connection. */
const firstWordMsMax = 1_000
const lookMs = 500
const keepAliveMs = 60_000

/**
 * Connections as kafkajs makes them, and ended when nothing comes back. A broker that hangs, or a network that swallows all,
 * ends none; and kafkajs, whose requests fail after a while, goes on asking on the connection that it has.
 */
export const endingWhenSilent: ISocketFactory = ({ host, port, ssl, onConnect }) => {
  const socket = ssl
    ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...ssl }, onConnect)
    : connect({ host, port }, onConnect)
  socket.setKeepAlive(true, keepAliveMs)
  watch(socket, `${host}:${port}`)
  return socket
}

/** The connections of one client of kafkajs, which does not go back to a broker that it lost one to. */
export class Sockets {
  readonly #lost = new Set<string>()
  #isBegun = false

  /** From here on what is lost counts. */
  begin(): void {
    this.#isBegun = true
  }

  get isAnyLost(): boolean {
    return this.#lost.size > 0
  }

  readonly factory: ISocketFactory = options => {
    const address = `${options.host}:${options.port}`
    if (this.#lost.has(address)) throw new Error(`The connection to ${address} was lost before.`)
    const socket = endingWhenSilent(options)
    socket.on('close', () => {
      if (this.#isBegun) this.#lost.add(address)
    })
    return socket
  }
}

/** Brokers that were silent on their last connection. kafkajs asks any broker who coordinates, and so dials them often. */
const silent = new Set<string>()

function watch(socket: Socket, address: string): void {
  let written = 0
  let sinceMs = performance.now()
  // What was sent before is taken to be answered: a broker takes one request of a connection after the other.
  const answered = (): void => {
    written = socket.bytesWritten
    sinceMs = performance.now()
  }
  socket.on('data', () => {
    silent.delete(address)
    answered()
  })
  const timer = setInterval(() => {
    const silentMs = performance.now() - sinceMs
    if (socket.bytesWritten === written) answered()
    else if (silentMs > (socket.bytesRead === 0 && silent.has(address) ? firstWordMsMax : silenceMsMax)) {
      silent.add(address)
      end(socket, `The broker said nothing for ${Math.round(silentMs)} ms.`)
    }
  }, lookMs)
  timer.unref()
  socket.on('close', () => clearInterval(timer))
}

/**
 * Of a connection that ended in order kafkajs forgets the broker, and asks the others who leads; after an error it dials the
 * same one again and again. One that never said a word must not look as if it ended in order: that one it would dial again.
 */
function end(socket: Socket, why: string): void {
  if (socket.bytesRead === 0) {
    socket.destroy(new Error(why))
    return
  }
  socket.emit('end')
  socket.destroy()
}
