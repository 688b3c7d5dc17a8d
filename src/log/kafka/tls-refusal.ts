const codes =
  /^(UNABLE_TO_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH|ERR_TLS_CERT_|ERR_SSL_|EPROTO$)/

/**
 * Whether a code of Node.js says that two sides could not agree on TLS: OpenSSL's verdicts on a certificate
 * (X509_V_ERR_…), a name that is not on it, alerts of the other side. Never a connection that broke.
 */
export const isTlsRefusal = (code: string): boolean => codes.test(code)
