/** A database whose users Vault makes. */
import type { OpenBao } from '../../servers/openbao.js'
import type { Postgres } from '../../servers/postgres.js'

/** Mounts the engine and a role; the id of what is lent is `{mount}/creds/{role}`. */
export async function lendUsers(server: OpenBao, database: Postgres, mount: string, { ttl = '1h', maxTtl = '24h' } = {}): Promise<string> {
  await server.demand('POST', `sys/mounts/${mount}`, { type: 'database' })
  await server.demand('POST', `${mount}/config/app`, {
    plugin_name: 'postgresql-database-plugin',
    allowed_roles: ['reader'],
    connection_url: `postgresql://{{username}}:{{password}}@127.0.0.1:${database.port}/postgres?sslmode=disable`,
    username: 'owner',
    password: database.password,
  })
  await server.demand('POST', `${mount}/roles/reader`, {
    db_name: 'app',
    creation_statements: [`CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`],
    default_ttl: ttl,
    max_ttl: maxTtl,
  })
  return `${mount}/creds/reader`
}
