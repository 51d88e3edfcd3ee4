/** Certificates for tests, of an authority that a server of its own makes with its PKI engine. */
import { OpenBao } from './openbao.ts'

export interface Authority {
  /** The certificate of the authority itself, in PEM. */
  readonly certificate: string
  /** @param kind Of the key. Default: on an elliptic curve. */
  issue(name: string, kind?: 'rsa'): Promise<{ certificate: string; key: string }>
  close(): Promise<void>
}

export async function createAuthority(): Promise<Authority> {
  const server = await OpenBao.start()
  await server.demand('POST', 'sys/mounts/pki', { type: 'pki', config: { max_lease_ttl: '24h' } })
  const { data } = await server.demand('POST', 'pki/root/generate/internal', { common_name: 'keyward tests', ttl: '24h' })
  await server.demand('POST', 'pki/roles/any', { allow_any_name: true, enforce_hostnames: false, max_ttl: '24h', key_type: 'ec', key_bits: 256 })
  await server.demand('POST', 'pki/roles/rsa', { allow_any_name: true, enforce_hostnames: false, max_ttl: '24h', key_type: 'rsa', key_bits: 2048 })
  return {
    certificate: (data as { certificate: string }).certificate,
    async issue(name, kind) {
      const { data: issued } = await server.demand('POST', `pki/issue/${kind ?? 'any'}`, { common_name: name, alt_names: name, ip_sans: '127.0.0.1', ttl: '12h' })
      const { certificate, private_key: key } = issued as { certificate: string; private_key: string }
      return { certificate, key }
    },
    close: () => server.stop(),
  }
}
