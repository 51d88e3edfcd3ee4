/** The server of rows G: the OpenBao that the tests install, in its development mode. */
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import install, { serverProgram } from '../test/servers/install-openbao.ts'

export async function startVault() {
  await install()
  const [port, token] = [await freePort(), 'bench-token']
  const server = spawn(serverProgram, ['server', '-dev', '-dev-no-store-token', `-dev-root-token-id=${token}`, `-dev-listen-address=127.0.0.1:${port}`], { stdio: 'ignore' })
  const address = `http://127.0.0.1:${port}`
  const call = async (method, path, body) => {
    const response = await fetch(`${address}/v1/${path}`, { method, headers: { 'x-vault-token': token }, body: body && JSON.stringify(body) })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`)
  }
  for (let left = 100; ; left -= 1) {
    const isThere = await call('GET', 'sys/health').then(
      () => true,
      () => false,
    )
    if (isThere) break
    if (left === 0) throw new Error('the server did not answer within 10 s')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const fields = Object.fromEntries(Array.from({ length: 10 }, (_, field) => [`field${field}`, `value ${field}`]))
  for (let path = 0; path < 10; path += 1) await call('POST', `secret/data/bench/${path}`, { data: fields })
  return {
    address,
    token,
    stop: () => server.kill(),
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}
