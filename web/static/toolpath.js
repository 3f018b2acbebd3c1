// Draws the tool path of a program from above, one layer at a time, into `figure.toolpath`. Without it the figure's
// own sentence says where to look. The format: docs/reference/toolpath.md. Nothing is fetched before somebody asks.
const TRAVEL = new Set(['travel', 'rapid', 'retract'])

const read = buffer => {
  const view = new DataView(buffer)
  if (view.getUint32(0) !== 0x46435450 || view.getUint32(4, true) !== 1) throw new Error('not a tool path')
  const size = view.getUint32(8, true), index = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 12, size)))
  const at = 12 + size
  return {
    ...index,
    xyz: new Float32Array(buffer, at, 3 * index.vertices),
    starts: new Uint32Array(buffer, at + 12 * index.vertices, index.polylines + 1),
  }
}

// The ranges of each layer, so that drawing one touches no other. A mill's program is all in layer 0.
const byLayer = path => {
  const layers = []
  for (const range of path.ranges) (layers[range.layer] ??= []).push(range)
  return layers
}

// What the drawing has to hold: the work, for travel comes from afar; all motion where there is no work.
const bounds = path => {
  const low = [Infinity, Infinity], high = [-Infinity, -Infinity]
  for (const range of path.ranges) {
    if (TRAVEL.has(range.feature)) continue
    for (let v = path.starts[range.first]; v < path.starts[range.first + range.count]; v++) {
      for (const axis of [0, 1]) {
        low[axis] = Math.min(low[axis], path.xyz[3 * v + axis])
        high[axis] = Math.max(high[axis], path.xyz[3 * v + axis])
      }
    }
  }
  return low[0] <= high[0] ? [low, high] : path.bounds_mm
}

const show = (figure, path) => {
  const canvas = figure.querySelector('canvas'), slider = figure.querySelector('input[type=range]')
  const travel = figure.querySelector('input[type=checkbox]'), said = figure.querySelector('output')
  const paint = canvas.getContext('2d'), layers = byLayer(path), [low, high] = bounds(path)
  slider.min = path.layer_z_mm.length ? 1 : 0
  slider.max = path.layer_z_mm.length
  slider.value = Number(figure.dataset.atLayer) || slider.max
  slider.closest('label').hidden = path.layer_z_mm.length < 2

  const draw = () => {
    const ratio = devicePixelRatio, width = canvas.clientWidth * ratio, height = canvas.clientHeight * ratio
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height]
    const ink = getComputedStyle(canvas), edge = 8 * ratio
    const scale = Math.min((width - 2 * edge) / (high[0] - low[0] || 1), (height - 2 * edge) / (high[1] - low[1] || 1))
    // Y of the machine goes up, Y of the canvas down; the drawing stands in the middle.
    const left = (width - scale * (high[0] - low[0])) / 2, foot = (height + scale * (high[1] - low[1])) / 2
    const line = (range, colour, thickness) => {
      paint.strokeStyle = ink.getPropertyValue(colour)
      paint.lineWidth = thickness * ratio
      paint.beginPath()
      for (let i = range.first; i < range.first + range.count; i++) {
        for (let v = path.starts[i]; v < path.starts[i + 1]; v++) {
          const x = left + scale * (path.xyz[3 * v] - low[0]), y = foot - scale * (path.xyz[3 * v + 1] - low[1])
          if (v === path.starts[i]) paint.moveTo(x, y)
          else paint.lineTo(x, y)
        }
      }
      paint.stroke()
    }
    paint.clearRect(0, 0, width, height)
    const number = Number(slider.value), ranges = layers[number] ?? []
    if (travel.checked) for (const one of ranges) if (TRAVEL.has(one.feature)) line(one, '--line', 0.5)
    if (number > 1) for (const one of layers[number - 1] ?? []) if (!TRAVEL.has(one.feature)) line(one, '--track', 1)
    for (const one of ranges) if (!TRAVEL.has(one.feature)) line(one, one.feature.endsWith('_wall') ? '--ink' : '--run', 1)
    if (figure.dataset.at && number === (Number(figure.dataset.atLayer) || number)) {
      const [x, y] = figure.dataset.at.split(' ').map(Number)
      paint.strokeStyle = ink.getPropertyValue('--ink')
      paint.lineWidth = 2 * ratio
      paint.beginPath()
      paint.arc(left + scale * (x - low[0]), foot - scale * (y - low[1]), 6 * ratio, 0, 2 * Math.PI)
      paint.stroke()
    }
    const z = path.layer_z_mm[number - 1]
    said.textContent = path.layer_z_mm.length ? figure.dataset.layer.replace('{n}', number).replace('{all}', path.layer_z_mm.length) + (z == null ? '' : `, Z ${z.toFixed(2)} mm`) : ''
    slider.setAttribute('aria-valuetext', said.textContent)
  }

  let waiting = false
  const later = () => {
    if (waiting) return
    waiting = true
    requestAnimationFrame(() => { waiting = false; draw() })
  }
  slider.addEventListener('input', later)
  travel.addEventListener('change', later)
  new ResizeObserver(later).observe(canvas)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', later)
  figure.classList.add('drawn')
  draw()
}

for (const figure of document.querySelectorAll('figure.toolpath')) {
  const button = figure.querySelector('button'), state = figure.querySelector('[role=status]')
  button.hidden = false
  button.addEventListener('click', async () => {
    button.disabled = true
    state.textContent = figure.dataset.reading
    try {
      const answer = await fetch(figure.dataset.path)
      if (!answer.ok) throw new Error((await answer.json()).detail)
      const path = read(await answer.arrayBuffer())
      state.textContent = path.vertices ? figure.dataset.within.replace('{mm}', Number(path.deviation_mm.toPrecision(2))) : figure.dataset.nothing
      button.hidden = true
      if (!path.vertices) return
      figure.querySelector('.drawing').hidden = false
      show(figure, path)
      figure.querySelector('input[type=range]').focus()
    } catch (error) {
      state.textContent = `${figure.dataset.failed} ${error.message}`
      button.disabled = false
    }
  })
}
