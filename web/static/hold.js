// Buttons that act only when held: a short press does nothing, letting go cancels. By keyboard Enter arms and a second
// Enter within three seconds acts. Without this file the same element is a link to a form in two steps.
const HOLD_MS = 600, ARMED_MS = 3000
let timer = 0, armed = null

function tell(text) {
  const region = document.getElementById('said')
  if (region) region.textContent = text
}

async function act(link) {
  reset(link)
  link.classList.add('sent')
  tell(link.dataset.sending)
  try {
    const answer = await fetch(link.dataset.post, { method: 'POST', headers: { Accept: 'application/json' } })
    const said = await answer.json()
    if (!answer.ok) throw new Error(said.detail)
    navigator.vibrate?.(30)
    if (link.dataset.then) return location.assign(link.dataset.then)
    link.classList.remove('sent')
    tell(Object.entries(said.outcomes).map(([name, outcome]) => name + ' ' + link.dataset[outcome]).join(' '))
  } catch (error) {
    link.classList.remove('sent')
    navigator.vibrate?.([30, 60, 30, 60, 30])
    tell(link.dataset.failed + ' ' + error.message)
  }
}

function reset(link) {
  clearTimeout(timer)
  timer = 0
  armed = null
  link.classList.remove('holding', 'armed')
}

const held = event => event.target.closest?.('a[data-post]')

addEventListener('pointerdown', event => {
  const link = held(event)
  if (!link || event.button) return
  link.classList.add('holding')
  timer = setTimeout(() => act(link), HOLD_MS)
})
for (const end of ['pointerup', 'pointercancel', 'pointerout'])
  addEventListener(end, event => {
    const link = held(event)
    if (!link || !timer) return
    reset(link)
    if (end === 'pointerup') tell(link.dataset.hint)
  })
addEventListener('contextmenu', event => { if (held(event)) event.preventDefault() })
addEventListener('dragstart', event => { if (held(event)) event.preventDefault() })
addEventListener('click', event => {
  const link = held(event)
  if (!link) return
  event.preventDefault()
  if (event.detail) return
  if (armed === link) return act(link)
  armed = link
  link.classList.add('armed')
  tell(link.dataset.again)
  setTimeout(() => {
    if (armed !== link) return
    reset(link)
    tell('')
  }, ARMED_MS)
})
