import type { TestToken } from "../pkcs11/tokens.ts";

/** Labels of Barbican's two master keys. */
export interface Labels {
  readonly mkek: string;
  readonly hmac: string;
}

export interface BarbicanConf {
  readonly token: TestToken;
  /** As SQLAlchemy takes it. */
  readonly databaseUrl: string;
  readonly labels: Labels;
  /** For secrets. Upstream's default is CBC. */
  readonly encryptionMechanism: "CKM_AES_CBC" | "CKM_AES_GCM";
  /** Path of the log. */
  readonly log: string;
}

/** barbican.conf as an operator writes it (openstack/barbican: etc/barbican/barbican.conf). */
export function barbicanConf({ token, databaseUrl, labels, encryptionMechanism, log }: BarbicanConf): string {
  return `[DEFAULT]
log_file = ${log}
sql_connection = ${databaseUrl}
db_auto_create = False
# Empty: references name the address that the request came to.
host_href =

[secretstore]
enabled_secretstore_plugins = store_crypto

[crypto]
enabled_crypto_plugins = p11_crypto

[p11_crypto_plugin]
library_path = ${token.module}
token_labels = ${token.label}
login = ${token.pin}
mkek_label = ${labels.mkek}
mkek_length = 32
hmac_label = ${labels.hmac}
hmac_key_type = CKK_GENERIC_SECRET
hmac_keygen_mechanism = CKM_GENERIC_SECRET_KEY_GEN
encryption_mechanism = ${encryptionMechanism}
`;
}

/** Upstream's pipeline without Keystone: whoever names a project in X-Project-Id is its administrator. */
export const PASTE_INI = `[composite:main]
use = egg:Paste#urlmap
/v1 = barbican_api

[pipeline:barbican_api]
pipeline = unauthenticated-context microversion apiapp

[app:apiapp]
paste.app_factory = barbican.api.app:create_main_app

[filter:unauthenticated-context]
paste.filter_factory = barbican.api.middleware.context:UnauthenticatedContextMiddleware.factory

[filter:microversion]
paste.filter_factory = barbican.api.middleware.microversion:MicroversionMiddleware.factory
`;
