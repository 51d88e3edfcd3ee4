import DataLoader from 'dataloader'

export function open({ backend }) {
  const loader = new DataLoader((names) => Promise.all(names.map((name) => backend(name))))
  return { read: (name) => loader.load(name) }
}
