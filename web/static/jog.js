// The jog pad. A held key sends a heartbeat every 80 ms, and each is good for a moment only: whatever happens to this
// page, motion ends by itself. Steps are single moves. It is off until it is switched on, and goes off by itself.
const BEAT_MS = 80, IDLE_MS = 60000, CLOGGED_BYTES = 2000
const KEYS = { ArrowUp: ['Y', 1], ArrowDown: ['Y', -1], ArrowLeft: ['X', -1], ArrowRight: ['X', 1], PageUp: ['Z', 1], PageDown: ['Z', -1] }
let armed = false, socket = null, moving = null, heldBy = null, beat = 0, idle = 0, stepping = false
const chosen = { 'jog-step': null, 'jog-speed': null }

const box = () => document.querySelector('[data-jog]')
const address = what => `/api/v1/machines/${encodeURIComponent(box().dataset.jog)}/${what}`
const picked = name => box().querySelector(`input[name=${name}]:checked`)
const step = () => Number(picked('jog-step').value)

function say(text) { const line = box()?.querySelector('[data-said]'); if (line && line.textContent !== text) line.textContent = text }

function speed(axis) {
  const of = picked('jog-speed').dataset
  return Number(axis === 'Z' ? of.z : axis === 'E' ? of.e : of.xy)
}

function show() {
  const here = box()
  if (!here) return
  const button = here.querySelector('[data-arm]')
  button.setAttribute('aria-pressed', armed)
  button.querySelector('.state').textContent = armed ? 'on' : 'off'
  here.querySelector('[data-pad]').tabIndex = armed ? 0 : -1
  for (const key of here.querySelectorAll('[data-axis]')) key.disabled = !armed
}

function arm() {
  armed = true
  connect()
  show()
  box().querySelector('[data-pad]').focus({ preventScroll: true })
  say(box().dataset.on)
  used()
}

function disarm(text) {
  release()
  clearTimeout(idle)
  if (!armed) return
  armed = false
  socket?.close()
  socket = null
  show()
  say(text ?? '')
}

function used() { clearTimeout(idle); idle = setTimeout(() => disarm(box()?.dataset.off), IDLE_MS) }

function connect() {
  if (socket && socket.readyState < WebSocket.CLOSING) return
  const mine = socket = new WebSocket(location.origin.replace(/^http/, 'ws') + address('jog'))
  mine.onmessage = message => {
    const told = JSON.parse(message.data)
    say(told.refused ? box()?.dataset.refused + ' ' + told.refused : '')
  }
  mine.onclose = closed => {
    if (socket !== mine) return
    socket = null
    if (moving) { release(); say(closed.reason || box()?.dataset.broke) }
  }
}

function send(velocity) {
  // A line that takes nothing would deliver old heartbeats late: then none is sent, and motion ends.
  if (socket?.readyState === WebSocket.OPEN && socket.bufferedAmount < CLOGGED_BYTES) socket.send(JSON.stringify({ velocity_mm_s: velocity, at_ms: performance.now() }))
}

function hold(axis, sign, by) {
  if (moving || !armed) return
  used()
  connect()
  moving = { [axis]: sign * speed(axis) }
  heldBy = by
  send(moving)
  beat = setInterval(() => { used(); send(moving) }, BEAT_MS)
}

function release() {
  if (!moving) return
  clearInterval(beat)
  moving = heldBy = null
  send({})
}

async function oneStep(axis, sign) {
  if (stepping || !armed) return
  used()
  stepping = true
  say('')
  try {
    const body = { distance_mm: { [axis]: sign * step() }, feed_mm_s: speed(axis) }
    const answer = await fetch(address('jog-step'), { method: 'POST', headers: { Accept: 'application/json', 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
    if (!answer.ok) { const why = await answer.json(); say(box()?.dataset.refused + ' ' + [why.detail, why.hint].filter(Boolean).join(' ')) }
  } catch { say(box()?.dataset.refused + ' ' + document.getElementById('problem').dataset.look) }
  stepping = false
}

const keyOf = event => event.target.closest?.('[data-jog] [data-axis]')
const act = (axis, sign, by) => step() ? oneStep(axis, sign) : hold(axis, sign, by)

addEventListener('click', event => {
  if (event.target.closest?.('[data-arm]')) return armed ? disarm() : arm()
  const key = keyOf(event)
  if (key && step()) oneStep(key.dataset.axis, Number(key.dataset.sign))
})
addEventListener('pointerdown', event => {
  const key = keyOf(event)
  if (!key || event.button || step()) return
  key.setPointerCapture(event.pointerId)
  hold(key.dataset.axis, Number(key.dataset.sign), 'pointer')
})
for (const end of ['pointerup', 'pointercancel', 'lostpointercapture']) addEventListener(end, () => { if (heldBy === 'pointer') release() })
addEventListener('contextmenu', event => { if (keyOf(event)) event.preventDefault() })
addEventListener('keydown', event => {
  const pad = event.target.closest?.('[data-jog] [data-pad]')
  if (!pad || !armed) return
  if (event.key === 'Escape') return disarm()
  const key = keyOf(event), pressed = key && (event.key === 'Enter' || event.key === ' ')
  if (pressed && step()) return  // the browser makes a click of it
  const [axis, sign] = pressed ? [key.dataset.axis, Number(key.dataset.sign)] : KEYS[event.key] ?? []
  if (!axis) return
  event.preventDefault()
  if (!event.repeat) act(axis, sign, event.key)
})
addEventListener('keyup', event => { if (event.key === heldBy) release() })
addEventListener('focusout', event => { if (heldBy && heldBy !== 'pointer' && event.target.closest?.('[data-pad]')) release() })
for (const away of ['blur', 'pagehide']) addEventListener(away, event => { if (event.target === window || away === 'pagehide') disarm(box()?.dataset.off) })
document.addEventListener('visibilitychange', () => { if (document.hidden) disarm(box()?.dataset.off) })

// The pad may be drawn anew at any time: a run began, the stop was pressed, the machine is back.
addEventListener('change', event => { if (event.target.name in chosen) chosen[event.target.name] = event.target.value })
function redrawn() {
  const here = box()
  for (const [name, value] of Object.entries(chosen)) {
    const radio = value === null ? null : here?.querySelector(`input[name=${name}][value="${CSS.escape(value)}"]`)
    if (radio) radio.checked = true
  }
  if (armed && (!here || here.querySelector('fieldset').disabled)) disarm()
  else show()
}
addEventListener('swapped', redrawn)
addEventListener('htmx:afterSwap', redrawn)
