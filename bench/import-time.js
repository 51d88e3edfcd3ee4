/** Row D, one process: milliseconds of an import, and of the first secret after it. Copied to where keyward is installed, and run there. */
const [what, task] = process.argv.slice(2)
const start = performance.now()
const imported = await import(what)
const importTime = performance.now() - start
if (task === 'first-secret') {
  const secrets = imported.createSecrets({ provider: 'dotenv' })
  const value = await secrets.getSecret('BENCH_KEY')
  if (value !== 'value of BENCH_KEY') throw new Error('The first secret is not that of .env')
}
process.stdout.write(`${JSON.stringify({ importTime, total: performance.now() - start })}\n`, () => process.exit(0))
