// Keeps an open page true: writes changed values into nodes by key, and fetches again the fragments whose subject
// changed. Reads no layout. Everything works without this file; then a page shows the moment it was loaded.
const QUIET_MS = 300, AGE_MS = 10000, DRIFT_MS = 15000, STILL_MS = 3000, HIDDEN_MS = 300000
const root = document.documentElement
root.classList.add('scripts')
let nodes = new Map(), wanted = new Set(), timer = 0, source = null, last = 0, skew = 0, pressed = false, hidden = 0, ordering = 0, touched = 0

const all = (selector, from = document) => [...from.querySelectorAll(selector)]

function index() {
  nodes = new Map()
  for (const box of all('[data-m]'))
    for (const node of all('[data-k]', box)) {
      const key = box.dataset.m + ' ' + node.dataset.k
      nodes.has(key) ? nodes.get(key).push(node) : nodes.set(key, [node])
    }
  ages()
}

function write(node, text) {
  if (node.tagName === 'PROGRESS') node.value = parseFloat(text)
  else if (node.tagName === 'TIME') { node.dateTime = text; age(node) }
  else if (node.textContent !== text) node.textContent = text
}

function span(s) {
  const m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24)
  return m < 1 ? Math.max(0, Math.round(s)) + ' s' : h < 1 ? m + ' min' : d < 1 ? `${h} h ${m % 60} min` : `${d} d ${h % 24} h`
}

function age(node) {
  const seconds = (Date.now() + skew - Date.parse(node.dateTime)) / 1000
  const kind = node.dataset.t
  if (kind === 'clock') node.textContent = new Date(node.dateTime).toTimeString().slice(0, 5)
  else if (kind) node.textContent = span(kind === 'left' ? -seconds : seconds)
}

const ages = () => all('time[data-t]').forEach(age)

function changed({ seq, about }) {
  const subjects = new Set(about)
  for (const box of all('[data-f]'))
    if (subjects.has('*') || box.dataset.on.split(' ').some(one => one === '*' ? about.length : subjects.has(one))) wanted.add(box.dataset.f)
  if (seq > last) last = seq
  const list = document.querySelector('[data-reload]')
  if (list && list.dataset.reload.split(' ').some(one => subjects.has(one))) location.reload()
  later()
}

function later() { if (!timer && wanted.size) timer = setTimeout(fetchWanted, QUIET_MS) }

// A thing under a finger, or with text being typed into it, is left as it is until it is let go.
const busy = box => pressed || box.querySelector('[data-dirty]') || (box.contains(document.activeElement) && document.activeElement.matches('input:not([type=hidden],[type=radio],[type=checkbox],[type=range]),select,textarea'))

async function fetchWanted() {
  const names = [...wanted].filter(name => { const box = find(name); return !box || !busy(box) }).slice(0, 100)
  names.forEach(name => wanted.delete(name))
  try {
    if (names.length) {
      const query = new URLSearchParams(names.map(name => ['f', name]))
      query.append('here', location.pathname)
      const answer = await fetch('/fragments?' + query)
      if (answer.status === 401 || answer.redirected) return location.reload()
      if (answer.ok) swap(await answer.text())
    }
  } catch { names.forEach(name => wanted.add(name)) }
  timer = 0
  later()
}

const find = name => document.querySelector(`[data-f="${CSS.escape(name)}"]`)

function swap(html) {
  const fresh = new DOMParser().parseFromString(html, 'text/html')
  for (const box of all('[data-f]', fresh)) {
    const old = find(box.dataset.f)
    if (!old || old.parentElement.closest('[data-f="' + box.dataset.f + '"]')) continue
    const focus = old.contains(document.activeElement) && document.activeElement.id
    for (const open of all('details[id]', old)) { const twin = box.querySelector('#' + CSS.escape(open.id)); if (twin) twin.open = open.open }
    old.replaceWith(box)
    if (window.htmx) htmx.process(box)
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true })
  }
  index()
  dispatchEvent(new Event('swapped'))
  clearTimeout(ordering)
  ordering = setTimeout(order, QUIET_MS)
}

// Nothing moves under a hand: the order changes only when none has been here for a while.
function order() {
  if (Date.now() - touched < STILL_MS) { ordering = setTimeout(order, 1000); return }
  for (const list of new Set(all('[data-rank]').map(node => node.parentElement)))
    [...list.children].sort((a, b) => a.dataset.rank - b.dataset.rank).forEach((node, i) => { if (list.children[i] !== node) list.insertBefore(node, list.children[i]) })
}

function refreshAll() { all('[data-f]').forEach(box => wanted.add(box.dataset.f)); later() }

function connect() {
  source?.close()
  source = new EventSource('/live')
  source.addEventListener('c', message => {
    const change = JSON.parse(message.data)
    // The first message tells where the fleet is; what happened since this page was drawn is fetched.
    if (!change.about.length && change.seq !== last) refreshAll()
    changed(change)
  })
  source.addEventListener('v', message => {
    const values = JSON.parse(message.data)
    requestAnimationFrame(() => {
      for (const [name, keys] of Object.entries(values))
        for (const [key, text] of Object.entries(keys)) {
          nodes.get(name + ' ' + key)?.forEach(node => write(node, text))
          // A reading that was not there when the box was drawn has no node yet.
          for (const box of all(`[data-m="${CSS.escape(name)}"][data-want]`))
            if (box.dataset.want.split(' ').some(one => key.startsWith(one)) && !box.querySelector(`[data-k="${CSS.escape(key)}"]`)) wanted.add(box.dataset.f)
        }
      later()
    })
  })
  source.onopen = () => { if (root.classList.contains('lost')) refreshAll(); root.classList.remove('lost') }
  source.onerror = () => {
    if (!root.classList.contains('lost')) for (const at of all('.lost-at')) at.textContent = new Date().toLocaleTimeString()
    root.classList.add('lost')
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 1000 + Math.random() * 4000)
  }
}

last = Number(document.body.dataset.seq || 0)
skew = Number(document.body.dataset.now || 0) * 1000 - Date.now()
if (document.body.dataset.seq) {
  index()
  connect()
  setInterval(ages, AGE_MS)
  // Some waits begin by time alone (nobody assessed a part, a pause is old), without an event.
  setInterval(() => { if (!document.hidden) { all('[data-on="*"]').forEach(box => wanted.add(box.dataset.f)); later() } }, DRIFT_MS)
  addEventListener('pointerdown', () => { pressed = true })
  for (const end of ['pointerup', 'pointercancel']) addEventListener(end, () => setTimeout(() => { pressed = false }, QUIET_MS))
  for (const hand of ['pointerdown', 'pointermove', 'keydown', 'wheel']) addEventListener(hand, () => { touched = Date.now() }, { passive: true })
  addEventListener('input', event => { if (event.target.form) event.target.dataset.dirty = '1' })
  addEventListener('htmx:afterSwap', index)
  addEventListener('htmx:beforeRequest', () => document.getElementById('problem').replaceChildren())
  // A tap without an answer says so on its own button and is not kept: a late "Cleared" would move a machine.
  addEventListener('htmx:sendError', event => {
    const box = document.getElementById('problem'), notice = document.createElement('p')
    const button = event.detail.requestConfig.triggeringEvent?.submitter || event.target.querySelector('button')
    if (button) button.textContent = navigator.onLine ? box.dataset.unanswered : box.dataset.unsent
    notice.className = 'problem'
    notice.textContent = box.dataset.look
    box.replaceChildren(notice)
  })
  addEventListener('online', refreshAll)
  addEventListener('changed', refreshAll)
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hidden)
    if (!document.hidden) { if (!source) { connect(); refreshAll() } } else hidden = setTimeout(() => { source.close(); source = null }, HIDDEN_MS)
  })
}
