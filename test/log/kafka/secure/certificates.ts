import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' })

/** An authority in `dir`, whose certificates hold for two days. */
export class Authority {
  readonly #path: (name: string) => string
  readonly file: string

  constructor(dir: string, name: string) {
    this.#path = end => join(dir, `${name}${end}`)
    this.file = this.#path('.pem')
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      this.#path('.key'),
      '-out',
      this.file,
    )
  }

  /** Certificate and key of `name`, which answers to the names of `san` (`IP:127.0.0.1,DNS:kafka.example`). */
  issue(name: string, san = `DNS:${name}`): { readonly certFile: string; readonly keyFile: string } {
    const [request, extensions] = [this.#path(`-${name}.csr`), this.#path(`-${name}.ext`)]
    const [certFile, keyFile] = [this.#path(`-${name}.pem`), this.#path(`-${name}.key`)]
    writeFileSync(extensions, `subjectAltName=${san}\n`)
    openssl('req', '-new', ...newKey, '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', request)
    const signer = ['-CA', this.file, '-CAkey', this.#path('.key'), '-CAcreateserial']
    openssl('x509', '-req', '-in', request, ...signer, '-days', '2', '-extfile', extensions, '-out', certFile)
    return { certFile, keyFile }
  }

  get pem(): string {
    return readFileSync(this.file, 'utf8')
  }
}
