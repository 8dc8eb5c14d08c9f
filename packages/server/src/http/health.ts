import type { FastifyInstance } from "fastify";

/** Whether the service can do its work, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  /** One sentence each. When ready: what is wrong, and keeps nothing from being done. */
  readonly reasons: readonly string[];
}

export interface HealthSources {
  readonly readiness: () => Readiness | Promise<Readiness>;
  /** Metrics in the text format of Prometheus. */
  readonly metrics: { readonly contentType: string; readonly text: () => Promise<string> };
}

/**
 * Adds the routes for supervisors, without authentication: /livez answers as long as the event loop runs, /readyz says
 * 503 and why when the service cannot do its work, /metrics is for Prometheus. They also answer while the service stops.
 */
export function registerHealth(app: FastifyInstance, sources: HealthSources): void {
  const open = (operation: string) => ({
    config: { operation, alsoWhileStopping: true },
    schema: { hide: true },
  });

  app.get("/livez", open("livez"), () => ({ live: true }));
  app.get("/readyz", open("readyz"), async (_request, reply) => {
    const { ready, reasons } = await sources.readiness();
    return await reply.code(ready ? 200 : 503).send({ ready, reasons });
  });
  app.get("/metrics", open("metrics"), async (_request, reply) => {
    const text = await sources.metrics.text();
    return await reply.type(sources.metrics.contentType).send(text);
  });
}
