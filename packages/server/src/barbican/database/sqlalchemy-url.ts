import { Failure } from "../../core/errors.ts";

/*
 * The URL of a database as SQLAlchemy takes it apart (sqlalchemy/sqlalchemy: lib/sqlalchemy/engine/url.py,
 * _parse_url), which is not that of the web: a password may have `/`, `?` and `:` in it as they are.
 */

export interface SqlAlchemyUrl {
  /** `mysql` of `mysql+pymysql`. */
  readonly dialect: string;
  readonly driver: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly host: string | undefined;
  readonly port: string | undefined;
  /** All between the / behind the host and the ?. */
  readonly database: string | undefined;
  readonly parameters: ReadonlyMap<string, string>;
}

const URL_PATTERN =
  /^(?<name>[\w+]+):\/\/(?:(?<user>[^:/]*)(?::(?<password>[^@]*))?@)?(?:(?:\[(?<v6>[^/?]+)\]|(?<host>[^/:?]+))?(?::(?<port>[^/?]*))?)?(?:\/(?<database>[^?]*))?(?:\?(?<query>.*))?$/s;

/** @throws Failure `barbican-database-unsuitable`, which has nothing of the URL in it. */
export function parseSqlAlchemyUrl(text: string): SqlAlchemyUrl {
  const parts = URL_PATTERN.exec(text)?.groups;
  if (!parts) throw unsuitable("is no URL as dialect://user:password@host/database");
  const { name = "", user, password, v6, host, port, database, query = "" } = parts;
  const [dialect = "", driver] = name.split("+");
  const parameters = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(query)) {
    if (parameters.has(key)) throw unsuitable(`has the option ${key} twice`);
    parameters.set(key, value);
  }
  return {
    dialect,
    driver,
    user: user === undefined ? undefined : unquote(user),
    password: password === undefined ? undefined : unquote(password),
    host: v6 ?? host,
    port: port === "" ? undefined : port,
    database: database === "" ? undefined : database,
    parameters,
  };
}

/** A refusal of the address. `complaint` never has the password in it. */
export function unsuitable(complaint: string): Failure {
  return new Failure("barbican-database-unsuitable", `The address in [database] connection ${complaint}.`, {
    field: "connection",
  });
}

/** As Python's urllib.parse.unquote: what is no %XX stays as it is. */
function unquote(text: string): string {
  return text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) =>
    Buffer.from(run.replaceAll("%", ""), "hex").toString(),
  );
}
