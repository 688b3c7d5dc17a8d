import { connect, createServer, type Socket } from 'node:net'

/** A server on a free port of 127.0.0.1, and the sockets that came. */
export async function listen(serve: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    serve(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    address: `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    sockets,
    close: async (): Promise<void> => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** A client that keeps what it hears. */
export class Caller {
  readonly socket: Socket
  /** Resolves when the other side has ended, or the connection is gone. */
  readonly ended: Promise<void>
  /** Resolves when the connection is gone, with the error's code if there was one. */
  readonly gone: Promise<string | undefined>
  #heard: Buffer[] = []
  #listeners = new Set<() => void>()

  constructor(address: string) {
    const [host = '', port] = address.split(':')
    this.socket = connect({ host, port: Number(port), allowHalfOpen: true })
    let code: string | undefined
    this.socket.on('error', error => {
      code = (error as NodeJS.ErrnoException).code
    })
    this.gone = new Promise(resolve => this.socket.on('close', () => resolve(code)))
    this.ended = new Promise(resolve => {
      this.socket.on('end', resolve)
      this.socket.on('close', () => resolve())
    })
    this.socket.on('data', bytes => {
      this.#heard.push(bytes)
      for (const listener of this.#listeners) listener()
    })
  }

  get heard(): Buffer {
    return Buffer.concat(this.#heard)
  }

  say(bytes: Buffer | string): void {
    this.socket.write(bytes)
  }

  /** What was heard, once it is `count` bytes or more. */
  async hear(count: number): Promise<Buffer> {
    while (this.heard.length < count) {
      await new Promise<void>(resolve => {
        const done = (): void => {
          this.#listeners.delete(done)
          resolve()
        }
        this.#listeners.add(done)
      })
    }
    return this.heard
  }
}
