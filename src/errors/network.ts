/** What errors of connections are called, so that each provider need not tell them apart anew: https://nodejs.org/api/errors.html#common-system-errors. */

const network: ReadonlySet<string> = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENETDOWN', 'ETIMEDOUT', 'EADDRNOTAVAIL'],
  ...['ERR_NETWORK', 'ERR_STREAM_PREMATURE_CLOSE'],
])

/** Was there no connection, or did it end? */
export const isNetworkCode = (code: string): boolean => network.has(code)

/** Was what came no HTTP? */
export const isHttpCode = (code: string): boolean => code.startsWith('HPE_')

/** Could the connection not be secured? */
export const isTlsCode = (code: string): boolean => /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|EPROTO$)/.test(code)
