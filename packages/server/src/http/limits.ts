/** Every limit of the HTTP front, in one place; the largest body is part of the API and given by compose. */
export const HTTP_LIMITS = {
  /** Request line and headers together. */
  headerBytes: 16 * 1024,
  /** From the opening of a connection, or the end of the last request on it, to the last header of the next. */
  headersTimeoutMs: 10_000,
  /** From the first byte of a request to its last: a body that drips in does not hold a connection. */
  requestTimeoutMs: 30_000,
  /** How long an idle connection is kept for the next request: longer than the 60 s of usual load balancers. */
  idleTimeoutMs: 65_000,
  /** How often connections are checked against the two timeouts above. */
  timeoutCheckIntervalMs: 5_000,
  /** One path parameter: names and UUIDs have at most 64 characters. */
  pathParameterLength: 128,
  /** A body that is received before it is known who calls: those of hot routes that are not longer. */
  leanBodyBytes: 16 * 1024,
  /** One name in the `field` of a refusal, which repeats what the client sent. */
  fieldNameLength: 100,
} as const;
