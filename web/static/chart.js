// Temperatures of the last half hour: fetched once, then only what is newer, as long as somebody looks.
const KEPT_S = 1800, HEIGHT_PX = 230
const slow = () => navigator.connection?.saveData || /2g/.test(navigator.connection?.effectiveType ?? '')
const EVERY_MS = () => slow() ? 20000 : 5000
let columns = { at_s: [], heaters: {} }, plot = null, drawnFor = ''

const box = () => document.querySelector('[data-chart]')
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
const LINES = ['--run', '--hold', '--good', '--link', '--ink-2']

function join(more) {
  const count = columns.at_s.length, extra = more.at_s.length
  const blank = length => Array(length).fill(null)
  for (const name of new Set([...Object.keys(columns.heaters), ...Object.keys(more.heaters)]))
    for (const column of ['now_degc', 'target_degc']) {
      const before = columns.heaters[name]?.[column] ?? blank(count), after = more.heaters[name]?.[column] ?? blank(extra)
      columns.heaters[name] = { ...columns.heaters[name], [column]: [...before, ...after] }
    }
  columns.at_s = [...columns.at_s, ...more.at_s]
  const old = columns.at_s.findIndex(at => at > columns.at_s.at(-1) - KEPT_S)
  if (old <= 0) return
  columns.at_s.splice(0, old)
  for (const of of Object.values(columns.heaters)) for (const column of Object.values(of)) column.splice(0, old)
}

const clock = at => new Date(at * 1000).toTimeString().slice(0, 5)
// Without a pointer over the chart the legend says the newest.
const newest = (u, value, series, index) => index === null ? u.data[series].at(-1) : value
const degrees = (...of) => { const value = newest(...of); return value === null || value === undefined ? '–' : Math.round(value) + ' °C' }

function options(here, names) {
  const titles = JSON.parse(here.dataset.names || '{}')
  const axis = { stroke: colour('--ink-2'), grid: { stroke: colour('--hair'), width: 1 }, ticks: { stroke: colour('--hair'), width: 1 }, font: '12px system-ui' }
  const points = { show: false }
  const lines = names.flatMap((name, i) => {
    const stroke = colour(LINES[i % LINES.length]), title = titles[name] || name
    return [
      { label: title, stroke, width: 2, value: degrees, spanGaps: false, points },
      { label: title + ', ' + here.dataset.target, stroke, width: 1, dash: [6, 4], value: degrees, spanGaps: false, points },
    ]
  })
  return {
    width: here.clientWidth, height: HEIGHT_PX, cursor: { drag: { x: false, y: false } }, legend: { live: true },
    scales: { x: { range: (_, least, most) => [most - KEPT_S, most] }, y: { range: (_, least, most) => [0, Math.max(50, most * 1.08)] } },
    series: [{ label: here.dataset.time, value: (...of) => clock(newest(...of)) }, ...lines],
    axes: [{ ...axis, space: 60, values: (_, ticks) => ticks.map(clock) }, { ...axis, size: 44 }],
  }
}

function draw() {
  const here = box(), names = Object.keys(columns.heaters)
  if (!here || !names.length || !window.uPlot) return
  const data = [columns.at_s, ...names.flatMap(name => [columns.heaters[name].now_degc, columns.heaters[name].target_degc.map(value => value || null)])]
  const looks = names.join() + getComputedStyle(document.documentElement).colorScheme
  if (plot && drawnFor === looks && here.contains(plot.root)) return plot.setData(data)
  plot?.destroy()
  drawnFor = looks
  plot = new uPlot(options(here, names), data, here)
}

async function fetchNewer() {
  const here = box()
  if (!here || document.hidden) return
  const after = columns.at_s.at(-1)
  try {
    const answer = await fetch(`/api/v1/machines/${encodeURIComponent(here.dataset.chart)}/temperatures${after ? '?after=' + after : ''}`)
    if (answer.ok) { join(await answer.json()); draw() }
  } catch { /* the page says itself that the link is lost; the next look tries again */ }
}

async function follow() {
  await fetchNewer()
  setTimeout(follow, EVERY_MS())
}

if (box()) {
  new ResizeObserver(() => plot?.setSize({ width: box()?.clientWidth ?? plot.width, height: HEIGHT_PX })).observe(document.getElementById('main'))
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
  addEventListener('htmx:afterSwap', draw)
  document.addEventListener('visibilitychange', fetchNewer)
  follow()
}
