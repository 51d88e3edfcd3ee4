import { chmod } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canaries, createCommand, storeFiles, visible, type Command, type Project } from './command.js'

interface Finding {
  level: 'ok' | 'warning' | 'problem'
  about: string
  subject: string
  message: string
  fix?: string
}

let command: Command
beforeAll(async () => {
  command = await createCommand()
})
afterAll(() => command.remove())

const config = JSON.stringify({ secrets: { OPENAI_API_KEY: {} }, environments: { development: { provider: 'dotenv' } } })

async function repository(files: Readonly<Record<string, string>>, tracked: readonly string[] = []): Promise<Project> {
  const project = await command.project(files)
  await project.shell('git init -q .')
  for (const path of tracked) await project.shell(`git add -f ${path}`)
  return project
}

async function findingsOf(project: Project, ...words: readonly string[]): Promise<{ findings: readonly Finding[]; exitCode: number | null; ok: boolean }> {
  const { output, exitCode } = await project.run(['doctor', '--json', ...words])
  const { findings, ok } = JSON.parse(output) as { findings: readonly Finding[]; ok: boolean }
  return { findings, exitCode, ok }
}

describe('keyward doctor, where all is well', () => {
  it('says what it looked at, and succeeds', async () => {
    const project = await repository(
      { 'keyward.config.json': config, '.env': 'OPENAI_API_KEY=not-a-real-key\n', '.gitignore': '.env*\n!.env.example\n', '.env.example': 'OPENAI_API_KEY=\n' },
      ['.env.example'],
    )
    const { findings, exitCode, ok } = await findingsOf(project)
    const owner = userInfo().username
    expect(findings).toEqual([
      { level: 'ok', about: 'config', subject: 'keyward.config.json', message: 'is found, environment development' },
      { level: 'ok', about: 'config', subject: 'keyward.config.json', message: `belongs to ${owner}, mode 600` },
      { level: 'ok', about: 'file', subject: '.env', message: `belongs to ${owner}, mode 600` },
      { level: 'ok', about: 'git', subject: '.env files', message: 'git tracks none' },
      { level: 'ok', about: 'provider', subject: 'dotenv', message: 'answers, and what the config declares is there' },
    ])
    expect({ exitCode, ok }).toEqual({ exitCode: 0, ok: true })
  })

  it('says it in text too, with colors on a terminal alone, unless NO_COLOR', async () => {
    const project = await command.project({ 'keyward.config.json': config, '.env': 'OPENAI_API_KEY=not-a-real-key\n' })
    const { output } = await project.run(['doctor'])
    expect(output).toContain('ok       provider  dotenv: answers, and what the config declares is there\n')
    expect(output).not.toContain('\u001b')
    const green = '\u001b[32mok'
    expect((await project.onTerminal(['doctor'], [])).shown).toContain(green)
    expect((await project.onTerminal(['doctor'], [], { environment: { NO_COLOR: '1' } })).shown).not.toContain('\u001b[')
    expect((await project.onTerminal(['doctor', '--no-color'], [])).shown).not.toContain('\u001b[')
  })
})

describe('keyward doctor finds, with its fix,', () => {
  it('a .env file that git tracks', async () => {
    const project = await repository({ 'keyward.config.json': config, '.env': 'OPENAI_API_KEY=not-a-real-key\n', 'packages/web/.env.local': 'A=1\n' }, [
      '.env',
      'packages/web/.env.local',
    ])
    const { findings, exitCode } = await findingsOf(project)
    expect(exitCode).toBe(1)
    expect(findings.filter(({ about }) => about === 'git')).toEqual([
      { level: 'problem', about: 'git', subject: '.env', message: 'is tracked by git', fix: expect.stringContaining('`git rm --cached .env`') as string },
      expect.objectContaining({ level: 'problem', subject: 'packages/web/.env.local' }),
    ])
    expect(await project.run(['doctor'])).toMatchObject({ exitCode: 1, output: expect.stringContaining('problem  git       .env: is tracked by git\n') as string })
    // Its fix is one.
    await project.shell('git rm -q --cached .env packages/web/.env.local; echo ".env*" > .gitignore')
    expect(await findingsOf(project)).toMatchObject({ exitCode: 0 })
  })

  it('not one whose values are encrypted, but the one with the keys', async () => {
    const encrypted = `DOTENV_PUBLIC_KEY="02ab"\n# a comment\nOPENAI_API_KEY="encrypted:${'B'.repeat(40)}="\n`
    const project = await repository({ 'keyward.config.json': '{ "environments": { "only": { "provider": "env" } } }', '.env': encrypted, '.env.keys': 'DOTENV_PRIVATE_KEY=1\n' }, [
      '.env',
    ])
    expect((await findingsOf(project)).findings.filter(({ about, level }) => about === 'git' && level !== 'ok')).toEqual([
      expect.objectContaining({ level: 'warning', subject: '.env.keys' }),
    ])
    await project.shell('git add -f .env.keys')
    expect((await findingsOf(project)).findings.filter(({ about }) => about === 'git')).toEqual([expect.objectContaining({ level: 'problem', subject: '.env.keys' })])
  })

  it('a .env file that git would take', async () => {
    const project = await repository({ 'keyward.config.json': config, '.env': 'OPENAI_API_KEY=not-a-real-key\n' })
    const { findings, exitCode } = await findingsOf(project)
    expect(findings).toContainEqual({
      level: 'warning',
      about: 'git',
      subject: '.env',
      message: expect.stringContaining('not ignored') as string,
      fix: expect.stringContaining('.gitignore') as string,
    })
    expect(exitCode).toBe(0)
  })

  it('files that others can read or write', async () => {
    const project = await command.project({ 'keyward.config.json': config, '.env': 'OPENAI_API_KEY=not-a-real-key\n' })
    await chmod(join(project.directory, '.env'), 0o644)
    const readable = await findingsOf(project)
    expect(readable.findings).toContainEqual({
      level: 'warning',
      about: 'file',
      subject: '.env',
      message: expect.stringMatching(/mode 644: others can read it/) as string,
      fix: 'Run `chmod 600 .env`',
    })
    expect(readable.exitCode).toBe(0)
    await chmod(join(project.directory, '.env'), 0o666)
    const writable = await findingsOf(project)
    expect(writable.findings).toContainEqual(expect.objectContaining({ level: 'problem', about: 'file', subject: '.env', fix: expect.stringContaining('chmod o-w') as string }))
    expect(writable.exitCode).toBe(1)
  })

  it('a config that is missing, that others can write, and one that does not hold', async () => {
    const project = await command.project({})
    expect(await findingsOf(project)).toMatchObject({ exitCode: 1, findings: [{ level: 'problem', about: 'config', fix: expect.stringContaining('keyward.config.ts') as string }] })
    await project.write('keyward.config.json', '{ "environments": { "only": { "provider": "dotnev" } } }')
    expect(await findingsOf(project)).toMatchObject({ exitCode: 1, findings: [{ about: 'config', fix: expect.stringContaining('dotenv') as string }] })
    await chmod(join(project.directory, 'keyward.config.json'), 0o666)
    expect(await findingsOf(project)).toMatchObject({ exitCode: 1, findings: [{ about: 'config', fix: expect.stringContaining('chmod o-w') as string }] })
  })

  it('what a provider answers: a name that it lacks, a file that is broken', async () => {
    const project = await command.project({ 'keyward.config.json': config })
    expect(await findingsOf(project)).toMatchObject({
      exitCode: 1,
      findings: expect.arrayContaining([
        {
          level: 'problem',
          about: 'provider',
          subject: 'dotenv',
          message: 'secret "OPENAI_API_KEY" was not found (provider "dotenv")',
          fix: expect.stringContaining('Set OPENAI_API_KEY in one of') as string,
        },
      ]) as Finding[],
    })
    await project.write('.env', 'OPENAI_API_KEY=not-a-real-key\nthis is no assignment\n')
    const { findings } = await findingsOf(project)
    expect(findings).toContainEqual(expect.objectContaining({ level: 'problem', about: 'provider', message: expect.stringContaining('line 2') as string }))
    expect(JSON.stringify(findings)).not.toContain('not-a-real-key')
  })

  it('shows on a terminal that it waits, and nothing of that in a pipe', async () => {
    const project = await command.project({
      'keyward.config.mjs': `const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
        export default { secrets: { KEY: {} }, environments: { only: { provider: { name: 'slow', failure: () => undefined, async get() { await wait(1_500); return { value: 'not-a-real-key' } } } } } }`,
    })
    const { shown, exitCode } = await project.onTerminal(['doctor'], [['Looking at everything', '']])
    expect(exitCode).toBe(0)
    expect(visible(shown)).toContain('slow: answers')
    expect((await project.run(['doctor'])).errors).not.toContain('Looking')
    const interrupted = await project.onTerminal(['doctor'], [['Looking at everything', '\u0003']])
    expect(visible(interrupted.shown)).not.toContain('slow: answers')
  })

  it('what two names share, and what is there and empty', async () => {
    const project = await command.project({
      '.env': 'SHARED=not-a-real-key\nEMPTY=\n',
      'keyward.config.json': JSON.stringify({
        secrets: { A_KEY: {}, B_KEY: {}, EMPTY: {} },
        agents: { one: { allow: ['A_KEY'] }, two: { allow: ['B_KEY'] } },
        environments: { only: { provider: 'dotenv', references: { A_KEY: 'SHARED', B_KEY: 'SHARED' } } },
      }),
    })
    const { findings } = await findingsOf(project)
    expect(findings).toContainEqual(expect.objectContaining({ level: 'warning', about: 'access', subject: 'A_KEY', message: '(also B_KEY) is granted to one and two' }))
    expect(findings).toContainEqual(
      expect.objectContaining({ level: 'warning', subject: 'EMPTY', message: 'is empty', fix: expect.stringContaining('keyward set EMPTY') as string }),
    )
    expect(JSON.stringify(findings)).not.toContain('not-a-real-key')
  })

  it('an agent that reads nothing of what it is granted', async () => {
    const project = await command.project({
      'keyward.config.json': JSON.stringify({
        secrets: { A_KEY: {} },
        agents: { m: { allow: ['A_KEY'], enforcement: 'backend' }, may: { allow: ['A_KEY'] } },
        environments: { only: { provider: 'dotenv' } },
      }),
      '.env': 'A_KEY=not-a-real-key\n',
    })
    const { findings, exitCode } = await findingsOf(project)
    expect(exitCode).toBe(1)
    expect(findings.filter(({ level }) => level === 'problem')).toEqual([
      {
        level: 'problem',
        about: 'access',
        subject: 'm',
        message: expect.stringContaining('[enforcement]') as string,
        fix: expect.stringContaining('`agents` of the provider') as string,
      },
    ])
    // A name that a message begins with is told all the same.
    expect(visible((await project.run(['doctor'])).output)).toMatch(/access +m: may read A_KEY/)
  })

  it('who may read what, names that several agents are granted, and secrets that are due', async () => {
    const project = await command.project(storeFiles)
    const { findings, exitCode } = await findingsOf(project)
    expect(exitCode).toBe(1)
    expect(findings.filter(({ about }) => about === 'access')).toEqual([
      { level: 'ok', about: 'access', subject: 'researcher', message: 'may read OPENAI_API_KEY, search/*' },
      { level: 'ok', about: 'access', subject: 'writer', message: 'may read OPENAI_API_KEY, database' },
      { level: 'warning', about: 'access', subject: 'OPENAI_API_KEY', message: 'is granted to researcher and writer', fix: expect.any(String) as string },
    ])
    expect(findings.filter(({ about }) => about === 'rotation')).toEqual([
      {
        level: 'problem',
        about: 'rotation',
        subject: 'OPENAI_API_KEY',
        message: expect.stringMatching(/^is \d{4}d old, to be replaced every 90d$/) as string,
        fix: expect.stringContaining('keyward set OPENAI_API_KEY') as string,
      },
    ])
    for (const canary of canaries) expect(JSON.stringify(findings)).not.toContain(canary)
    // Its fix is one.
    await project.run(['set', 'OPENAI_API_KEY'], { input: 'another-not-real' })
    expect((await findingsOf(project)).findings).toContainEqual({ level: 'ok', about: 'rotation', subject: 'OPENAI_API_KEY', message: 'is 0d old, to be replaced every 90d' })
  })

  it('a secret whose age nobody can tell', async () => {
    const project = await command.project({
      'keyward.config.json': JSON.stringify({ secrets: { A: { rotateEvery: '90d' } }, environments: { only: { provider: 'dotenv' } } }),
      '.env': 'A=1\n',
    })
    expect(await findingsOf(project)).toMatchObject({
      exitCode: 0,
      findings: expect.arrayContaining([expect.objectContaining({ level: 'warning', about: 'rotation', subject: 'A' })]) as Finding[],
    })
  })

  it('.env files where the config says that they are', async () => {
    const environments = { only: { provider: { name: 'dotenv', directory: 'settings', files: ['keys'] } } }
    const project = await repository({ 'keyward.config.json': JSON.stringify({ environments }), 'settings/keys': 'A=1\n', 'settings/.env.local': 'B=1\n' }, ['settings/keys'])
    const { findings } = await findingsOf(project)
    expect(findings).toContainEqual(expect.objectContaining({ level: 'problem', about: 'git', subject: 'settings/keys' }))
    expect(findings).toContainEqual(expect.objectContaining({ level: 'warning', about: 'git', subject: 'settings/.env.local' }))
  })
})
