// Drag and drop with progress for the upload form, which works without it. The rest (findings, quantity) is the
// program's own page, drawn by the server.
const form = document.querySelector('form.upload')
if (form) {
  const input = form.querySelector('input[type=file]'), bar = form.querySelector('progress'), text = form.querySelector('.state'), failed = form.querySelector('.failed')
  let sending = null

  const send = file => {
    if (!file || sending) return
    const body = new FormData()
    body.append('file', file, file.name)
    sending = new XMLHttpRequest()
    sending.open('POST', form.action)
    sending.setRequestHeader('Accept', 'application/json')
    form.classList.add('busy')
    failed.hidden = true
    bar.hidden = false
    text.textContent = form.dataset.sending.replace('{name}', file.name)
    sending.upload.onprogress = event => { if (event.lengthComputable) bar.value = event.loaded / event.total }
    sending.upload.onload = () => { bar.removeAttribute('value'); text.textContent = form.dataset.reading }
    sending.onload = () => {
      const answer = JSON.parse(sending.responseText || '{}'), status = sending.status
      done()
      if (status === 201) return location.assign('/programs/' + answer.sha256.slice(0, 12))
      fail([answer.line ? form.dataset.line.replace('{line}', answer.line) : '', answer.detail, answer.hint].filter(Boolean).join(' '))
    }
    sending.onerror = () => { done(); fail(form.dataset.cut) }
    sending.send(body)
  }
  const done = () => { sending = null; form.classList.remove('busy'); bar.hidden = true; bar.value = 0; text.textContent = ''; input.value = '' }
  const fail = sentence => { failed.textContent = sentence; failed.hidden = false; failed.focus() }

  input.addEventListener('change', () => send(input.files[0]))
  form.addEventListener('submit', event => { event.preventDefault(); send(input.files[0]) })
  for (const over of ['dragenter', 'dragover']) addEventListener(over, event => { event.preventDefault(); form.classList.add('over') })
  addEventListener('dragleave', event => { if (!event.relatedTarget) form.classList.remove('over') })
  addEventListener('drop', event => { event.preventDefault(); form.classList.remove('over'); send(event.dataTransfer.files[0]) })
  addEventListener('beforeunload', event => { if (sending) event.preventDefault() })
}
