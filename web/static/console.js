// Console with history, camera, and forms of the panel that stay where they are when they are sent.
const KEPT_LINES = 500, HISTORY = 50
const slow = () => navigator.connection?.saveData || /2g/.test(navigator.connection?.effectiveType ?? '')
let timer = 0, asking = false

const box = () => document.querySelector('[data-console]')
const list = () => box()?.querySelector('[data-lines]')
const traffic = () => box()?.querySelector('[data-traffic]').checked ?? false

// Lines

function add(entry) {
  const line = document.createElement('li'), spoken = document.createElement('span')
  line.className = entry.way
  spoken.className = 'hide'
  spoken.textContent = JSON.parse(list().dataset.ways)[entry.way] ?? ''
  line.append(spoken, entry.text)
  list().append(line)
}

async function look() {
  clearTimeout(timer)
  const here = box()
  if (here && !document.hidden && !asking) {
    asking = true
    const said = here.querySelector('[data-said]'), lines = list()
    try {
      const answer = await fetch(`/api/v1/machines/${encodeURIComponent(here.dataset.console)}/console?after=${lines.dataset.last}&traffic=${traffic()}`)
      if (!answer.ok) throw new Error(answer.status)
      const { entries, last } = await answer.json()
      if (last < Number(lines.dataset.last)) lines.dataset.last = 0
      else if (entries.length) {
        const atEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 8
        entries.forEach(add)
        lines.dataset.last = entries.at(-1).number
        while (lines.children.length > KEPT_LINES) lines.firstChild.remove()
        if (atEnd) lines.scrollTop = lines.scrollHeight
      }
      said.textContent = ''
    } catch { said.textContent = said.dataset.silent }
    asking = false
  }
  timer = setTimeout(look, slow() ? 5000 : 1500)
}

// What was typed before, by machine

const key = input => 'console ' + input.closest('[data-console]').dataset.console
const past = input => { try { return JSON.parse(localStorage.getItem(key(input))) ?? [] } catch { return [] } }
let at = 0, draft = ''

function remember(input) {
  const lines = past(input).filter(line => line !== input.value)
  try { localStorage.setItem(key(input), JSON.stringify([...lines, input.value].slice(-HISTORY))) } catch { /* a browser that keeps nothing */ }
  at = 0
}

addEventListener('keydown', event => {
  const input = event.target
  if (!input.closest?.('[data-console]') || input.name !== 'text' || !/^Arrow(Up|Down)$/.test(event.key)) return
  const lines = past(input), next = at + (event.key === 'ArrowUp' ? 1 : -1)
  if (next < 0 || next > lines.length) return
  event.preventDefault()
  if (!at) draft = input.value
  at = next
  input.value = at ? lines.at(-at) : draft
  input.setSelectionRange(input.value.length, input.value.length)
})

// Forms that stay

addEventListener('htmx:afterRequest', event => {
  const form = event.target.closest?.('form')
  if (!form || !event.detail.successful) return
  for (const field of form.querySelectorAll('[data-dirty]')) delete field.dataset.dirty
  if (!('talks' in form.dataset)) return
  const input = form.querySelector('input[name=text]')
  if (input) { remember(input); input.value = ''; input.focus() }
  look()
})
addEventListener('change', event => {
  if (!event.target.matches?.('[data-traffic]')) return
  list().setAttribute('aria-live', event.target.checked ? 'off' : 'polite')
  look()
})
addEventListener('input', event => {
  const shown = event.target.type === 'range' && event.target.closest('form')?.querySelector('[data-k]')
  if (shown) shown.textContent = event.target.value + ' %'
})

// Camera: the next picture is asked for when the one before is there

const seen = new WeakMap()

function watch(camera) {
  const picture = camera.querySelector('img'), said = camera.querySelector('[data-said]')
  const again = () => setTimeout(() => {
    if (!picture.isConnected) return
    if (document.hidden || !seen.get(camera)) return again()
    picture.src = camera.dataset.camera + '?t=' + Date.now()
  }, slow() ? 20000 : 5000)
  const there = ok => {
    picture.hidden = !ok
    said.hidden = ok
    said.textContent = ok ? '' : said.dataset.silent
    again()
  }
  picture.addEventListener('load', () => there(true))
  picture.addEventListener('error', () => there(false))
  if (picture.complete) there(picture.naturalWidth > 0)
  new IntersectionObserver(entries => seen.set(camera, entries.at(-1).isIntersecting)).observe(camera)
}

function begin() {
  for (const camera of document.querySelectorAll('[data-camera]')) if (!seen.has(camera)) { seen.set(camera, true); watch(camera) }
  const lines = list()
  if (lines) lines.scrollTop = lines.scrollHeight
}

begin()
addEventListener('htmx:afterSwap', begin)
document.addEventListener('visibilitychange', look)
if (box()) look()
