/** docs/scale.svg: calls a second over time. */
import * as echarts from 'echarts'
import { window, windows } from './figures.js'
import { minute, timeline } from './scenarios.js'

const width = 960
const height = 900
/** A logarithmic axis has no zero. */
const least = 1
/** Windows that make one point. */
const together = 3

const panels = [
  {
    title: 'No quota',
    lines: { 'vault-defaults': 'defaults', 'vault-busy': 'busy', 'vault-busy-no-jitter': 'busy, without jitter', 'vault-together': 'all 50 together' },
  },
  {
    title: 'AWS: 10,000 calls a second',
    quota: 10_000,
    lines: { 'aws-busy': 'busy', 'aws-busy-hour': 'busy, ttl 1h', 'aws-batch': 'batches of 20', 'aws-shared': 'one cache for 50' },
  },
  {
    title: 'Azure: 400 calls a second',
    quota: 400,
    lines: { 'azure-defaults': 'defaults', 'azure-once': 'one attempt', 'azure-hour': 'ttl 1h', 'azure-shared': 'one cache for 50' },
  },
]

const marks = { 'one rotated': timeline.rotationOfOne, 'all rotated': timeline.rotationOfAll, outage: timeline.outage, recovery: timeline.recovery }
const colors = ['#2563eb', '#dc2626', '#16a34a', '#9333ea']

function points({ calls }) {
  const busiest = windows(calls)
  return Array.from({ length: Math.floor(busiest.length / together) }, (_, index) => {
    const peak = Math.max(...busiest.slice(index * together, (index + 1) * together))
    return [(index * together * window) / 60, Math.max(least, Math.round(peak))]
  })
}

/** @param results What the scenarios counted, by name. */
export function plot(results) {
  const panelHeight = height / panels.length
  const series = panels.flatMap(({ lines, quota }, panel) => {
    const drawn = Object.entries(lines).filter(([name]) => results.has(name))
    const limit = quota === undefined ? [] : [{ yAxis: quota, lineStyle: { color: '#000', type: 'solid' }, label: { formatter: 'quota', position: 'insideEndTop' } }]
    const times = Object.entries(marks).map(([label, at]) => ({ xAxis: at / minute, label: { formatter: label, position: 'insideEndTop' } }))
    return drawn.map(([name, label], index) => ({
      name: `${panel}: ${label}`,
      type: 'line',
      showSymbol: false,
      xAxisIndex: panel,
      yAxisIndex: panel,
      data: points(results.get(name).series),
      lineStyle: { width: 1.2 },
      color: colors[index],
      ...(index === 0
        ? { markLine: { symbol: 'none', silent: true, lineStyle: { color: '#9ca3af', type: 'dashed' }, label: { color: '#4b5563', fontSize: 10 }, data: [...limit, ...times] } }
        : {}),
    }))
  })
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height })
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    textStyle: { fontFamily: 'sans-serif' },
    title: panels.map(({ title }, panel) => ({ text: title, left: 76, top: panel * panelHeight + 8, textStyle: { fontSize: 13 } })),
    legend: panels.map((_, panel) => ({
      top: panel * panelHeight + 8,
      right: 20,
      itemGap: 28,
      itemWidth: 16,
      icon: 'rect',
      itemHeight: 3,
      data: series.filter(({ xAxisIndex }) => xAxisIndex === panel).map(({ name }) => name),
      formatter: (name) => name.slice(name.indexOf(':') + 2),
    })),
    grid: panels.map((_, panel) => ({ left: 80, right: 20, top: panel * panelHeight + 40, height: panelHeight - 90 })),
    xAxis: panels.map((_, panel) => ({
      type: 'value',
      gridIndex: panel,
      max: timeline.end / minute,
      name: 'minutes',
      nameLocation: 'middle',
      nameGap: 22,
      splitLine: { show: false },
    })),
    yAxis: panels.map((_, panel) => ({
      type: 'log',
      gridIndex: panel,
      name: 'calls a second',
      nameLocation: 'middle',
      nameGap: 52,
      min: 10,
      max: 100_000,
      axisLabel: { formatter: (value) => value.toLocaleString('en-US') },
    })),
    series,
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}
