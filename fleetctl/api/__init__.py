"""HTTP: JSON resources, event streams, the OctoPrint-compatible upload, and the pages.

No rule of the fleet is decided here: a handler reads a request, calls the controller, and gives the answer a form.
"""
